// The Key Vault with the tokens. The app may read them, one person or group may store them, nobody may purge them.
// A deleted vault keeps its name for 90 days. Before provisioning again, create its resource group and recover it
// (az group create, az keyvault recover), or use another environment name.
param name string
param location string
param tags object
param principalId string
param secretsOfficerId string
param secretsOfficerType string

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security
var roles = {
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  secretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
}

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
