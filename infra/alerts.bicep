// Who hears when a report does not come, or a person must act. Each rule reads what the app writes into its log:
// tests/test_alerts.py has the app write it, and holds the phrases against it.
//
// A report comes once a week, and a log alert looks back two days at most. So absence is told by the daily look that
// `catch_up` takes: it says which report is late (rule `late`); and if it is not taken, that is said (rule `silent`).
// `silent` goes off once when all is new, until the first look at 05:30 UTC: a proof that the mail arrives.
param location string
param tags object
param email string
param workspaceId string

var rules = [
  {
    name: 'needs-a-person'
    severity: 1
    description: 'A run was refused, or given up after all tries. The run\'s reason says what to do: docs/operations.md'
    window: 'PT1H'
    every: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
    query: '''
      AppTraces
      | where Message contains " has ended as refused before"
          or Message contains " failed for good after attempt "
          or Message contains "Given up: "
    '''
  }
  {
    name: 'late'
    severity: 1
    description: 'A report that was due has not been delivered, or nobody can tell. See the last runs: docs/operations.md'
    window: 'P1D'
    every: 'PT1H'
    operator: 'GreaterThan'
    threshold: 0
    query: '''
      AppTraces
      | where Message contains " is late: see what became of its last runs"
          or Message contains "Late, or with an unusable study file: "
          or Message contains "Nobody can tell whether the reports are on time: "
    '''
  }
  {
    name: 'silent'
    severity: 1
    description: 'For two days the app has not looked whether every report is delivered: it is down, paused, or not deployed.'
    window: 'P2D'
    every: 'PT1H'
    operator: 'LessThan'
    threshold: 1
    query: '''
      AppRequests
      | where Name == "catch_up" and Success == true
    '''
  }
  {
    name: 'timer-failed'
    severity: 2
    description: 'A timer could not ask for a report, or left something undone. It tries again by itself; look if this lasts.'
    window: 'PT6H'
    every: 'PT1H'
    operator: 'GreaterThan'
    threshold: 0
    query: '''
      union
        (AppRequests | where Name in ("monday", "catch_up", "run_failed") and Success == false),
        (AppTraces | where Message contains "Nothing was queued for " or Message contains "Left undone today: ")
    '''
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-consent'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'consent'
    enabled: true
    emailReceivers: [
      {
        name: 'whoever looks after the report'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2021-08-01' = [
  for rule in rules: {
    name: 'consent-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Consent report: ${rule.name}'
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: rule.every
      windowSize: rule.window
      autoMitigate: true
      skipQueryValidation: true // the tables of a new workspace may not be there yet
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: rule.operator
            threshold: rule.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [people.id] }
    }
  }
]

output actionGroupId string = people.id
