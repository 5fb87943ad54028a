"""
The dashboard: shows the cluster to staff, and lets permitted staff act on it.

`collector` polls every process once a second; it keeps a `cluster_view`, the `event_feed` and the
`traffic_history` in memory. `panels` are the pages made of them, `actions` the forms that change
something, `trace_diagram` draws a trade, and `api_relay` reads the endpoints of other processes.
The database holds users, sessions, events and the audit (`models`); the cluster never waits for it.

For others: `bazaar.urls.dashboard` imports the views; the settings name `dashboard.wiring`; and
`dashboard.actions` has what the fault injector raises, which the settings name as well.
May import `bazaar.web` and all below it, but no other role.
Inside: site > views > panels > serializers | services > actions | selectors > wiring > collector,
api_relay, render_cache, models > event_feed, traffic_history > event_sentences, cluster_view.
"""
