package operatortest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/weirstreams/weir/testkit"
)

// A Player plays a script. It is made from the script's definition.
type Player interface {
	// Play sends a record and returns a line for each result.
	Play(t *testing.T, record []string) []string
	// Driver returns the driver of the topology.
	Driver() *testkit.Driver
}

// RunScripts plays each script of a folder undisturbed, and with restarts and crashes after every record. A script has a
// definition with records, and after a remark more records, between lines of four dashes and repeated there with their
// results:
//
//	# a remark
//	tumbling 10ms sum
//	k 5 1
//	----
//	k 5 1
//	  current: [0,10)=1
//
//	# another one
//	records
//	k 9 2
//	----
//	k 9 2
//	  current: [0,10)=3
//
// With the flag -rewrite the test writes the results instead of comparing them.
func RunScripts(t *testing.T, folder string, open func(t *testing.T, definition []string) Player) {
	disturbances := []struct {
		name  string
		after func(*testkit.Driver)
	}{
		{"undisturbed", func(*testkit.Driver) {}},
		{"restarted", (*testkit.Driver).Restart},
		{"crashed", func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.KeepState) }},
		{"crashed with loss of state", func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.LoseState) }},
	}
	datadriven.Walk(t, folder, func(t *testing.T, file string) {
		for _, disturbance := range disturbances {
			t.Run(disturbance.name, func(t *testing.T) {
				var p Player
				datadriven.RunTest(t, file, func(t *testing.T, block *datadriven.TestData) string {
					switch {
					case block.Cmd != "records":
						p = open(t, strings.Fields(block.FullCmd()))
					case p == nil:
						block.Fatalf(t, "records before a definition")
					}
					var played strings.Builder
					for line := range strings.Lines(block.Input) {
						line = strings.TrimSuffix(line, "\n")
						fmt.Fprintln(&played, line)
						for _, result := range p.Play(t, strings.Fields(line)) {
							fmt.Fprintf(&played, "  %s\n", result)
						}
						disturbance.after(p.Driver())
					}
					return played.String()
				})
			})
		}
	})
}

// Counts returns the sums of the counters of all tasks.
func Counts(d *testkit.Driver) (sum testkit.Task) {
	for _, task := range d.Tasks() {
		sum.Late += task.Late
		sum.NullKeys += task.NullKeys
		sum.Skipped += task.Skipped
	}
	return sum
}

// Time parses an event time in milliseconds.
func Time(t *testing.T, text string) time.Time {
	t.Helper()
	millis, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(millis)
}

// Duration parses a duration of a definition.
func Duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
