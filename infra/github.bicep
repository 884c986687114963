// Lets one GitHub repository deploy to the app without a stored password, from its environment "production" only.
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation
//
// GitHub puts ids into the subject of repositories made, renamed or moved after 15 July 2026: `repo:OWNER@ID/NAME@ID`.
// Older ones send `repo:OWNER/NAME`. Azure accepts a token only if its subject is exactly the one given here.
param name string
param location string
param tags object
param repository string
param appName string

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/web-and-mobile
var roles = {
  websiteContributor: 'de139f84-1756-47ae-9be6-808fbbe84772'
}

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
  tags: tags
}

resource trust 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = {
  parent: identity
  name: 'github'
  properties: {
    issuer: 'https://token.actions.githubusercontent.com'
    subject: 'repo:${repository}:environment:production'
    audiences: ['api://AzureADTokenExchange']
  }
}

resource deploying 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(app.id, identity.id, roles.websiteContributor)
  scope: app
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.websiteContributor)
  }
}

output clientId string = identity.properties.clientId
