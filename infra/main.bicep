// All Azure resources of the weekly consent report, in their own resource group.
// They include no secret: `consent login` and `az keyvault secret set` store the secrets in the vault.
//
// tests/unit/infra checks offline: the syntax, every property against Microsoft's published types, the alert queries, and
// that settings, roles, names and versions match the code. Only a subscription shows whether the region has Flex
// Consumption and quota, and whether the names are free. Run `azd provision --preview` first.
targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('Name of the environment; the resource group is rg-<environmentName>.')
param environmentName string

// azd offers these. They are the regions of Microsoft's own template; the list of the day is printed by
// `az functionapp list-flexconsumption-locations`.
// https://github.com/Azure-Samples/functions-quickstart-python-http-azd/blob/main/infra/main.bicep (28 November 2026)
@description('Region of all resources; it needs Flex Consumption.')
@allowed([
  'australiaeast'
  'australiasoutheast'
  'brazilsouth'
  'canadacentral'
  'centralindia'
  'centralus'
  'eastasia'
  'eastus'
  'eastus2'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'japaneast'
  'koreacentral'
  'northcentralus'
  'northeurope'
  'norwayeast'
  'southafricanorth'
  'southcentralus'
  'southeastasia'
  'southindia'
  'spaincentral'
  'swedencentral'
  'uaenorth'
  'uksouth'
  'ukwest'
  'westcentralus'
  'westeurope'
  'westus'
  'westus2'
  'westus3'
])
@metadata({ azd: { type: 'location' } })
param location string

@description('Address that receives every alert.')
param alertEmail string

@description('Address of the REDCap API: https, ending in /api/')
param redcapApiUrl string

@description('Namespace id of a Dropbox team space; empty without one.')
param dropboxRootNamespace string = ''

@description('When the timer checks for due reports, in UTC.')
param schedule string = '0 0 * * * Sun,Mon,Tue'

@description('Months after which the counts of a run are purged.')
@minValue(1)
@maxValue(1200)
param keepMonths int = 24

@description('A folder of study files; empty for those in `studies` of the checkout, or else the packaged one.')
param studiesFolder string = ''

@secure()
@description('Address of an external heartbeat monitor; empty for none.')
param heartbeatUrl string = ''

@description('More app settings, by name: proxies, or settings named by other study files. No secrets.')
param moreSettings object = {}

@description('Client id of an Entra app registration with which people sign in to the page; empty for none. See docs/azure.md.')
param signInClientId string = ''

@description('Object id of the person or group that stores the secrets; empty if they already have the right.')
param secretsOfficerId string = ''

@allowed(['User', 'Group', 'ServicePrincipal'])
param secretsOfficerType string = 'User'

@description('Give the app a fixed outbound address for the firewall of REDCap (about 40 USD a month).')
param fixedOutboundAddress bool = false

@description('Address range of its network; it matters only if the network is peered.')
param networkAddresses string = '10.90.0.0/26'

@description('Id of an existing subnet that reaches REDCap, in place of a fixed address: delegated to Microsoft.App/environments, with the service endpoint Microsoft.KeyVault.')
param existingSubnetId string = ''

@description('With a network: the public addresses, separated by commas, from which people reach the vault besides the app.')
param vaultAddresses string = ''

@description('GitHub repository that may deploy from its environment "production": owner/name, or OWNER@ID/NAME@ID for one made, renamed or moved after 15 July 2026; empty for none. "gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix" prints it, after "repo:".')
param githubRepository string = ''

@description('Test /api/health from outside, with an alert. Turn it off if the network blocks outside callers.')
param watchHealth bool = true

@minValue(30)
@maxValue(730)
param logRetentionDays int = 90

var token = uniqueString(subscription().id, environmentName, location)
var tags = { 'azd-env-name': environmentName }
var subnetId = !empty(existingSubnetId) ? existingSubnetId : (fixedOutboundAddress ? network!.outputs.subnetId : '')

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-consent-${token}'
    location: location
    tags: tags
  }
}

module storage 'storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'stconsent${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module vault 'vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: 'kv-consent-${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    secretsOfficerId: secretsOfficerId
    secretsOfficerType: secretsOfficerType
    workspaceId: monitoring.outputs.workspaceId
    subnetId: subnetId
    addresses: vaultAddresses
  }
}

module monitoring 'monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    name: 'consent-${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    logRetentionDays: logRetentionDays
  }
}

module network 'network.bicep' = if (fixedOutboundAddress && empty(existingSubnetId)) {
  name: 'network'
  scope: group
  params: {
    name: 'consent-${token}'
    location: location
    tags: tags
    addresses: networkAddresses
  }
}

module app 'app.bicep' = {
  name: 'app'
  scope: group
  params: {
    name: 'func-consent-${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageAccountName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    monitoringConnection: monitoring.outputs.connection
    vaultUrl: vault.outputs.url
    subnetId: subnetId
    redcapApiUrl: redcapApiUrl
    dropboxRootNamespace: dropboxRootNamespace
    schedule: schedule
    keepMonths: keepMonths
    studiesFolder: studiesFolder
    heartbeatUrl: heartbeatUrl
    moreSettings: moreSettings
    signInClientId: signInClientId
  }
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    email: alertEmail
    workspaceId: monitoring.outputs.workspaceId
  }
}

module health 'health.bicep' = if (watchHealth) {
  name: 'health'
  scope: group
  params: {
    location: location
    tags: tags
    url: '${app.outputs.url}/api/health'
    insightsId: monitoring.outputs.insightsId
    actionGroupId: alerts.outputs.actionGroupId
  }
}

module github 'github.bicep' = if (!empty(githubRepository)) {
  name: 'github'
  scope: group
  params: {
    name: 'id-consent-github-${token}'
    location: location
    tags: tags
    repository: githubRepository
    appName: app.outputs.name
  }
}

output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_APP string = app.outputs.name
output FUNCTION_APP_URL string = app.outputs.url
output IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
output KEY_VAULT_URL string = vault.outputs.url
output OUTBOUND_ADDRESS string = fixedOutboundAddress && empty(existingSubnetId) ? network!.outputs.address : ''
output GITHUB_CLIENT_ID string = empty(githubRepository) ? '' : github!.outputs.clientId
