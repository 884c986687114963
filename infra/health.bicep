// An availability test: does the app answer at /api/health? It needs no key and shows no details. The status is ignored,
// because a late report (503) has an alert of its own. The text shows that the app answers, and not the platform.
// Each request starts the app for a moment. Three locations every 15 minutes stay within the plan's free grant. The test
// itself is charged per request: about 9,000 a month.
param location string
param tags object
param url string
param insightsId string
param actionGroupId string

var locations = ['us-va-ash-azr', 'us-il-ch1-azr', 'emea-nl-ams-azr']

resource test 'Microsoft.Insights/webtests@2022-06-15' = {
  name: 'consent-health'
  location: location
  tags: union(tags, { 'hidden-link:${insightsId}': 'Resource' })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: 'consent-health'
    Name: 'Consent report: health'
    Enabled: true
    Kind: 'standard'
    Frequency: 900
    Timeout: 120
    RetryEnabled: true
    Locations: [for name in locations: { Id: name }]
    Request: { RequestUrl: url, HttpVerb: 'GET', ParseDependentRequests: false }
    ValidationRules: {
      IgnoreHttpStatusCode: true
      SSLCheck: true
      ContentValidation: { ContentMatch: '"status"', PassIfTextFound: true }
    }
  }
}

resource alert 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'consent-unhealthy'
  location: 'global'
  tags: tags
  properties: {
    description: 'The app does not answer: docs/operations.md'
    severity: 1
    enabled: true
    scopes: [test.id, insightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT30M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: test.id
      componentId: insightsId
      failedLocationCount: 2
    }
    actions: [{ actionGroupId: actionGroupId }]
  }
}
