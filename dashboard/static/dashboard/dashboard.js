// htmx without what the policy forbids: styles of its own, and text that is run as a program.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
htmx.config.selfRequestsOnly = true;
