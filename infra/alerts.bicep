// The alerts. Each rule matches events that the app logs (`event=...`). tests/unit/infra/test_alerts.py runs the app and
// these queries: each event fires one rule, and a Monday that fails in any way sends one mail.
//
// A report comes once a week, but a log alert looks back at most two days. All rules do, because a fault that lasts is
// logged at least once a day: so the alert stays, and the mail is not sent again. `late` tells nothing about a study whose
// run failed in these two days, because `needs-a-person` did. It looks back one day itself: otherwise it would fire after
// the fault, when the failure is out of sight and an old late line is not. `silent` fires if the daily run of `catch_up`
// is missing. After the first deployment it fires once, until the first run at 05:30 UTC: this proves that mail arrives.
param location string
param tags object
param email string
param workspaceId string

var perStudy = [{ name: 'Study', operator: 'Include', values: ['*'] }] // an alert, and a mail, for each study

var rules = [
  {
    name: 'needs-a-person'
    severity: 1
    description: 'A run was refused, or failed after all retries. The reason of the run says what to do: docs/operations.md'
    every: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: perStudy
    query: '''
      AppTraces
      | extend Event = extract("event=([a-z_]+)", 1, Message), Study = extract("study=([^ ]+)", 1, Message)
      | where Event == "run_failed"
      | extend Study = coalesce(Study, "unknown") // a message that names no run
    '''
  }
  {
    name: 'late'
    severity: 1
    description: 'A report is overdue, and no run of its study failed. See the latest runs: docs/operations.md'
    every: 'PT1H'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: perStudy
    query: '''
      let Events = AppTraces
        | extend Event = extract("event=([a-z_]+)", 1, Message), Study = extract("study=([^ ]+)", 1, Message);
      let Failed = Events
        | where Event == "run_failed"
        | distinct Study;
      Events
      | where Event == "report_late" and TimeGenerated > ago(1d) and Study !in (Failed)
    '''
  }
  {
    name: 'silent'
    severity: 1
    description: 'For two days the app has not looked for late reports: it is down, paused, or not deployed: docs/operations.md'
    every: 'PT1H'
    operator: 'LessThan'
    threshold: 1
    dimensions: []
    query: '''
      union isfuzzy=true (datatable(Name: string)[]), AppRequests // the table may not exist yet
      | where Name == "catch_up"
    '''
  }
  {
    name: 'timer-failed'
    severity: 2
    description: 'A study file or the run history cannot be used, or a timer or the maintenance failed: docs/operations.md'
    every: 'PT1H'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: []
    query: '''
      let failedCalls = AppRequests
        | where Name in ("monday", "catch_up", "run_failed") and Success == false;
      let failedEvents = AppTraces
        | extend Event = extract("event=([a-z_]+)", 1, Message)
        | where Event in ("timer_failed", "maintenance_failed", "health_check_failed", "study_unusable");
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
      windowSize: 'P2D'
      autoMitigate: true
      skipQueryValidation: true // a new workspace may not have the tables yet
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: rule.operator
            threshold: rule.threshold
            dimensions: rule.dimensions
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [people.id] }
    }
  }
]

output actionGroupId string = people.id
