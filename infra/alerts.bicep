// The alerts. Each rule matches events that the app logs (`event=...`); tests/unit/infra/test_alerts.py runs the app, and
// checks that every rule matches its events and no others.
//
// A report comes once a week, but a log alert looks back at most two days. So the daily run of `catch_up` logs each late
// report (rule `late`), and rule `silent` fires if that run is missing. After the first deployment `silent` fires once,
// until the first run at 05:30 UTC: this proves that the mail arrives.
param location string
param tags object
param email string
param workspaceId string

var rules = [
  {
    name: 'needs-a-person'
    severity: 1
    description: 'A run was refused, or failed after all retries. See the reason of the run: docs/operations.md'
    window: 'PT1H'
    every: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
    query: '''
      AppTraces
      | extend Event = extract("event=([a-z_]+)", 1, Message)
      | where Event in ("run_failed")
    '''
  }
  {
    name: 'late'
    severity: 1
    description: 'A report is overdue, or the health check failed. See the latest runs: docs/operations.md'
    window: 'P1D'
    every: 'PT1H'
    operator: 'GreaterThan'
    threshold: 0
    query: '''
      AppTraces
      | extend Event = extract("event=([a-z_]+)", 1, Message)
      | where Event in ("report_late", "health_check_failed")
    '''
  }
  {
    name: 'silent'
    severity: 1
    description: 'For two days the app has not checked for late reports: it is down, paused, or not deployed.'
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
    description: 'A timer could not queue a report, or a maintenance task failed. It is retried; act if the alert stays.'
    window: 'PT6H'
    every: 'PT1H'
    operator: 'GreaterThan'
    threshold: 0
    query: '''
      let failedCalls = AppRequests
        | where Name in ("monday", "catch_up", "run_failed") and Success == false;
      let failedEvents = AppTraces
        | extend Event = extract("event=([a-z_]+)", 1, Message)
        | where Event in ("timer_failed", "maintenance_failed");
      union failedCalls, failedEvents
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
        name: 'operator of the consent report'
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
      skipQueryValidation: true // a new workspace may not have the tables yet
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
