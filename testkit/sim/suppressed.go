package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirstreams/weir/internal/broker"
)

// compareSuppressed compares a topic with fewer records than the model writes: the last of the records of one key and time
// is always there, the others may be.
func (w *world) compareSuppressed(got []string, want map[string][]string) string {
	place := map[string]int{} // in the order of the model; lines name the record that they come of, so none is there twice
	last := map[string]string{}
	for _, source := range slices.Sorted(maps.Keys(want)) {
		for _, line := range want[source] {
			place[line] = len(place)
			last[windowOf(line)] = line
		}
	}
	latest := map[string]int{}
	found := map[string]bool{}
	for _, line := range got {
		at, ok := place[line]
		if !ok {
			return fmt.Sprintf("record should not be there: %s", line)
		}
		found[line] = true
		if !w.config.engine.ExactlyOnce {
			continue // what is done again may be held back for another time
		}
		if before, ok := latest[windowOf(line)]; ok && at <= before {
			return fmt.Sprintf("record is there again, or after a later one: %s", line)
		}
		latest[windowOf(line)] = at
	}
	for _, id := range slices.Sorted(maps.Keys(last)) {
		if !found[last[id]] {
			return fmt.Sprintf("the last record of its key and time is missing: %s", last[id])
		}
	}
	return ""
}

// windowOf returns the key and the time of a record from its description.
func windowOf(line string) string {
	key, rest, _ := strings.Cut(line, ": ")
	return key + rest[strings.LastIndex(rest, " @"):]
}

// isSuppressed reports whether the simulation says so of a topic.
func (w *world) isSuppressed(tp broker.TopicPartition) bool {
	return slices.Contains(w.simulation.Suppressed, tp.Topic)
}
