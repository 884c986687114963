// The Key Vault with the tokens. The app may read them, one person or group may store them, nobody may purge them. Every
// access is logged (docs/it.md). If the app has a network, only that network and the given addresses reach the vault.
// A deleted vault keeps its name for 90 days. Before provisioning again, create its resource group and recover it
// (az group create, az keyvault recover), or use another environment name.
param name string
param location string
param tags object
param principalId string
param secretsOfficerId string
param secretsOfficerType string
param workspaceId string
param subnetId string
param addresses string

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security
var roles = {
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  secretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
}

var allowedAddresses = empty(addresses) ? [] : split(addresses, ',')

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enablePurgeProtection: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: empty(subnetId) ? 'Allow' : 'Deny'
      ipRules: [for address in allowedAddresses: { value: trim(address) }]
      virtualNetworkRules: empty(subnetId) ? [] : [{ id: subnetId }]
    }
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated' // the table AZKVAuditLogs
    logs: [{ category: 'AuditEvent', enabled: true }]
  }
}

resource reading 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, roles.secretsUser)
  scope: vault
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.secretsUser)
  }
}

resource storing 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(secretsOfficerId)) {
  name: guid(vault.id, secretsOfficerId, roles.secretsOfficer)
  scope: vault
  properties: {
    principalId: secretsOfficerId
    principalType: secretsOfficerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.secretsOfficer)
  }
}

output url string = vault.properties.vaultUri
