//! The part of `simulate --help` behind the flags.

pub(super) const LONG_ABOUT: &str = "\
Run the calling platform as a local server, with faults on request.

It speaks the platform's documented JSON: it imports numbers into tasks, refuses malformed and \
duplicate ones with their numbers masked, and answers errors as the platform does. Nobody is \
called and nothing leaves this machine; what it holds is gone when it stops.";

pub(super) const REHEARSING: &str = "\
To rehearse an outage, start the simulator and point the courier at it:

  contact-courier simulate --latency 50ms --error-before 0.05 --reset-after 0.05
  export COURIER__PLATFORM__BASE_URL=http://127.0.0.1:8790
  export COURIER__PLATFORM__TOKEN=demo-token
  contact-courier run

Make the platform fail for a while, then let it recover, without a restart (the new faults replace \
the old ones; a key that is left out has its default):

  curl --json '{\"error_before\": 1}' http://127.0.0.1:8790/simulator/faults
  curl --json '{\"running_tasks\": [\"t-1\"], \"rows\": {\"dropped\": 0.1}}' \\
    http://127.0.0.1:8790/simulator/faults
  curl --json '{}' http://127.0.0.1:8790/simulator/faults

Then look at what arrived; every number should have times_held 1, however often it was received:

  curl http://127.0.0.1:8790/simulator/state
  curl http://127.0.0.1:8790/simulator/totals

What to turn on, and what the courier should do. A flag is the key of the file and of the JSON with \
'-' for '_'; what is written without '--' has no flag. 'Again' means: with backoff, as the same batch; \
where the import may be done, \"already there\" then counts as success.

  no platform at all    stop the simulator
                        rows stay pending; again
  5xx                   --error-before, --error-after; error_statuses, error_under_200
                        rows stay pending; again
  connection lost       --reset-before, --reset-after, --cut-off
                        again
  no answer             --silence-before, --silence-after; --latency, --latency-jitter
                        again after platform.timeout
  unreadable answer     --garbled, --not-json, --oversized, --contradictory
                        again
  redirect              --redirected
                        the token goes nowhere else; again
  rate limit            --too-many-requests; retry_after (seconds, date, none), retry_after_wait
                        all wait as long as it says
  task is running       --task-running with --task-running-for; running_tasks; task_running_says
                        that task waits, the others go on
  token                 --token-off
                        all wait; one request now and then finds out
  no permission         forbidden_users
                        the tasks of that user wait
  firewall              firewall_words (a request holds one of these texts), firewall_status
                        that task waits; a row that is turned away alone fails
  no such task          unknown_tasks
                        that task waits
  too large             limits.rows, limits.bytes
                        the batch is halved
  refused as a whole    refusal.ignore_skip_error, with refusal.status and refusal.body
                        smaller batches, until the row to blame stands alone
  refused numbers       rows.blacklisted
                        these rows fail as rejected, in those words
  counts that miss      --dropped-rows (rows.dropped), rows.uncounted
                        smaller batches, until each row is accounted for
  masks                 mask.first, .last, .stars, .suffix, .whole
                        the right row fails, or the rest is asked about again
  forms of JSON         answer.data, .counts, .fail_list, .extra_fields
                        nothing changes, if the platform tells as much

At most one fault befalls a request, so the probabilities of all flags but --dropped-rows together \
may not exceed 1. The same --seed gives the n-th request the same luck again, and a number in its task \
whatever the order. Every key, with its default: config/rehearsal.toml. More: docs/rehearsing.md.";
