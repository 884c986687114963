// The function app on Flex Consumption. Its settings hold no secret: the app reads the secrets from Key Vault.
param name string
param location string
param tags object
param identityId string
param identityClientId string
param storageAccountName string
param deploymentContainer string // its address
param monitoringConnection string
param vaultUrl string
param subnetId string
param redcapApiUrl string
param dropboxRootNamespace string
param schedule string
param keepMonths int
param studiesFolder string
@secure()
param heartbeatUrl string
param moreSettings object
param signInClientId string

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: { minTlsVersion: '1.2' }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: deploymentContainer
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: 40 // the lowest limit that every region accepts; the app uses few
      }
    }
  }
}

// Provisioning replaces all settings: it also removes those set by hand, such as a disabled function.
// The app treats a blank setting as missing.
resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(moreSettings, {
    APPLICATIONINSIGHTS_CONNECTION_STRING: monitoringConnection
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    AZURE_CLIENT_ID: identityClientId
    AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential'
    // With the address of each service instead, the host may start without its storage.
    // https://github.com/Azure/azure-functions-host/issues/11787
    AzureWebJobsStorage__accountName: storageAccountName
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    // In place of a secret, the identity of the app proves who asks for the sign-in.
    // https://learn.microsoft.com/azure/app-service/configure-authentication-provider-aad
    OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: empty(signInClientId) ? '' : identityClientId
    WEBSITE_AUTH_AAD_ALLOWED_TENANTS: empty(signInClientId) ? '' : tenant().tenantId
    CONSENT_SIGN_IN: empty(signInClientId) ? '' : 'entra'
    CONSENT_KEEP_MONTHS: string(keepMonths)
    CONSENT_LEDGER: 'table'
    CONSENT_SCHEDULE: schedule
    CONSENT_STUDIES: studiesFolder
    DROPBOX_ROOT_NAMESPACE: dropboxRootNamespace
    HEARTBEAT_URL: heartbeatUrl
    KEY_VAULT_URL: vaultUrl
    REDCAP_API_URL: redcapApiUrl
  })
}

// Everybody may still reach the app: the other routes check their keys, and the page checks who signed in.
resource signIn 'Microsoft.Web/sites/config@2024-04-01' = if (!empty(signInClientId)) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true, runtimeVersion: '~1' }
    globalValidation: { requireAuthentication: false, unauthenticatedClientAction: 'AllowAnonymous' }
    httpSettings: { requireHttps: true }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: signInClientId
          clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: { allowedAudiences: [ signInClientId ] }
      }
    }
    login: { tokenStore: { enabled: false } }
  }
  dependsOn: [ settings ]
}

resource ftpPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource deploymentPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
