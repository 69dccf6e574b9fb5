package sim_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
)

// The topology of this file is given old records amid those of now: they may be older than the time that a task has promised to
// the tasks behind it, and it has to take the promise back.
func init() {
	stages := []stage{asItIs(), tumblingStage(4 * time.Second), tumblingStage(20 * time.Second)}
	backfilled := liveTopology("old records amid those of now", stages...)
	backfilled.make = backfills
	backfilled.check = func(o sim.Outcome) error { return checkBackfills(o, stages) }
	topologies = append(topologies, backfilled)
}

// backfillKey begins the keys of old records. Those that are written at once have one key, and no others have it.
const backfillKey = "backfill "

func isBackfill(key string) bool { return strings.HasPrefix(key, backfillKey) }

// asItIs is a stage without windows.
func asItIs() stage {
	return stage{
		build: func(s stream.Stream[string, int]) stream.Stream[string, int] { return s },
		fold:  func(results []liveResult) []liveResult { return results },
	}
}

// backfills makes records of now for "orders", and amid them runs of old ones of one time.
func backfills(r *rand.Rand) []sim.Input {
	in := sim.Input{Topic: "orders"}
	keys := 1 + r.IntN(8)
	add := func(key string, millis int64) {
		value, err := json.Marshal(order{ID: len(in.Records) + 1})
		if err != nil {
			panic(err)
		}
		in.Records = append(in.Records, sim.Record{Key: []byte(key), Value: value, Millis: millis})
	}
	for range 20 + r.IntN(60) {
		add(fmt.Sprint("customer ", r.IntN(keys)), 0)
		if r.IntN(3) > 0 {
			continue
		}
		key := fmt.Sprint(backfillKey, len(in.Records))
		for range 2 + r.IntN(12) {
			add(key, -1)
		}
	}
	return []sim.Input{in}
}

// checkBackfills checks the counts of the records of now, and that of old records that were written at once all are late or
// none is: when the first has come to its window, the window stays open until the last has.
func checkBackfills(o sim.Outcome, stages []stage) error {
	written := map[string]int{}
	for _, partition := range o.Read("orders") {
		for _, r := range partition {
			written[string(r.Key)]++
		}
	}
	results, err := liveResults(o)
	if err != nil {
		return err
	}
	for key, windows := range results {
		if !isBackfill(key) {
			continue
		}
		for at, values := range windows {
			if len(windows) > 1 || slices.Max(values) < written[key] || o.ExactlyOnce && (len(values) > 1 || values[0] != written[key]) {
				return fmt.Errorf("the results of %s at %d are %v, want one of %d, or none", key, at, values, written[key])
			}
		}
	}
	return checkLive(o, stages, func(key string) bool { return !isBackfill(key) })
}
