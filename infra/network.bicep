// A network for the app with a fixed outbound address, which the firewall of REDCap can allow.
// The subscription needs the resource provider Microsoft.App: az provider register --namespace Microsoft.App
// https://learn.microsoft.com/azure/azure-functions/functions-how-to-use-nat-gateway
param name string
param location string
param tags object
param addresses string

resource address 'Microsoft.Network/publicIPAddresses@2023-11-01' = {
  name: 'pip-${name}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

resource gateway 'Microsoft.Network/natGateways@2023-11-01' = {
  name: 'ng-${name}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: {
    publicIpAddresses: [{ id: address.id }]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2023-11-01' = {
  name: 'vnet-${name}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addresses] }
  }
}

resource subnet 'Microsoft.Network/virtualNetworks/subnets@2023-11-01' = {
  parent: network
  name: 'app'
  properties: {
    addressPrefix: addresses
    natGateway: { id: gateway.id }
    serviceEndpoints: [{ service: 'Microsoft.KeyVault' }] // the vault recognises the subnet by it
    delegations: [
      {
        name: 'flex-consumption'
        properties: { serviceName: 'Microsoft.App/environments' }
      }
    ]
  }
}

output subnetId string = subnet.id
output address string = address.properties.ipAddress
