// Command bench measures Weir beside a floor: the same work done by a bare loop over the same Kafka client, with no
// library in between; and beside the same loop over another client. docs/performance.md describes the comparison.
//
//	bench run                     everything: broker, load, each scenario in a process of its own, table
//	bench metrics                 the cost of metrics, with and without them in turn
//	bench broker                  a Kafka broker in memory, in this process
//	bench load                    flights into a topic
//	bench view                    the same for an open page of the live view
//	bench floor|franz|weir|metered|viewed|queried NAME   one measurement, on a broker and topic that exist; prints JSON
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

const usage = `usage: bench run|metrics|view|queries|broker|load|floor|franz|weir|metered|viewed|queried [flags]

  run                                      measure everything and print a table
  metrics                                  measure the cost of metrics; fails above 1 % of CPU time
  broker                                   run a Kafka broker in memory
  load                                     write flights to a topic
  floor consume|stateless|windowed         measure the bare client once
  franz stateless|windowed                 measure another client, franz-go, once
  weir  stateless|windowed                 measure Weir once
  metered stateless                        measure Weir with metrics once
  view                                     measure the cost of an open page of the live view; fails above 1 % of CPU time
  viewed stateless                         measure Weir with an open page once
  queries                                  measure the cost of 1,000 queries per second; fails above 5 % of CPU time
  queried windowed                         measure Weir with queries once

Each has -help. Run it in the folder bench.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("no command\n%s", usage)
	}
	switch name, rest := args[0], args[1:]; name {
	case "run":
		return runCommand(ctx, rest)
	case "metrics":
		return costCommand(ctx, metricsCost, costLimit, rest)
	case "view":
		return costCommand(ctx, viewCost, costLimit, rest)
	case "queries":
		return costCommand(ctx, queriesCost, queriesLimit, rest)
	case "broker":
		return brokerCommand(ctx, rest)
	case "load":
		return loadCommand(ctx, rest)
	case "floor", "franz", "weir", "metered", "viewed", "queried":
		return measureCommand(ctx, name, rest)
	default:
		return fmt.Errorf("no such command: %q\n%s", name, usage)
	}
}
