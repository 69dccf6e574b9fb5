package operator_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

var update = flag.Bool("update", false, "rewrite the scripts in testdata with what the code does")

// The scripts say what windows do. Each line that begins with a key is a record:
//
//	tumbling 10ms grace 5ms sum     the definition, first
//	# a remark
//	k 12 2                          key (- is null), event time in milliseconds, value
//	  current: [10,20)=2            what Current emits for it
//	  final: [0,10)=1               what Final emits for it
//	  late                          it was too late for its window
//	  null key                      it was skipped
//
// A result for another key than the record's would be shown with that key.
func TestWindowScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/window/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no scripts: ", err)
	}
	between := []struct {
		name string
		do   func(*testkit.Driver)
	}{
		{"undisturbed", func(*testkit.Driver) {}},
		{"restarted", (*testkit.Driver).Restart},
		{"crashed", func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.KeepState) }},
		{"crashed with loss of state", func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.LoseState) }},
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(path, []byte(runScript(t, string(script), between[0].do)), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			for _, b := range between {
				t.Run(b.name, func(t *testing.T) {
					if diff := cmp.Diff(string(script), runScript(t, string(script), b.do)); diff != "" {
						t.Errorf("%s (-want +got):\n%s", path, diff)
					}
				})
			}
		})
	}
}

var (
	scriptInput   = stream.NewTopic("input", codec.String(), codec.Int())
	scriptCurrent = stream.NewTopic("current", codec.String(), codec.String())
	scriptFinal   = stream.NewTopic("final", codec.String(), codec.String())
)

// runScript returns the script with the results that the code gives. between runs after every record.
func runScript(t *testing.T, script string, between func(*testkit.Driver)) string {
	t.Helper()
	var out strings.Builder
	var d *testkit.Driver
	var input *testkit.Input[string, int]
	var current, final *testkit.Output[string, string]
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] == "#":
			fmt.Fprintln(&out, line)
			continue
		case strings.HasPrefix(line, " "):
			continue // results of the last run
		}
		fmt.Fprintln(&out, line)
		if d == nil {
			d = testkit.New(t, scriptTopology(t, fields))
			input, current, final = d.Input(scriptInput), d.Output(scriptCurrent), d.Output(scriptFinal)
			continue
		}
		record := parseRecord(t, fields)
		late, nulls := skipped(d)
		input.SendRecords(record)
		show := func(name string, o *testkit.Output[string, string]) {
			var results []string
			for _, r := range o.Read() {
				text := r.Value
				if r.Key != record.Key {
					text = r.Key + text
				}
				if start, _, _ := strings.Cut(text[1:], ","); start != strconv.FormatInt(r.Time.UnixMilli(), 10) || len(r.Headers) > 0 {
					text += fmt.Sprintf(" at %d with headers %v", r.Time.UnixMilli(), r.Headers)
				}
				results = append(results, text)
			}
			if len(results) > 0 {
				fmt.Fprintf(&out, "  %s: %s\n", name, strings.Join(results, " "))
			}
		}
		show("current", current)
		show("final", final)
		// Both windows of the topology count.
		if n, m := skipped(d); n != late {
			fmt.Fprintln(&out, "  late")
		} else if m != nulls {
			fmt.Fprintln(&out, "  null key")
		}
		between(d)
	}
	return out.String()
}

// scriptTopology builds what the first line of a script defines, with Current and with Final.
func scriptTopology(t *testing.T, fields []string) *stream.Topology {
	t.Helper()
	duration := func(text string) time.Duration {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if fields[0] != "tumbling" || len(fields) < 3 {
		t.Fatalf("definition %q: want tumbling SIZE [grace GRACE] AGGREGATOR", fields)
	}
	definition := window.Tumbling(duration(fields[1]))
	if i := slices.Index(fields, "grace"); i >= 0 {
		definition = definition.Grace(duration(fields[i+1]))
	}
	topology := stream.NewTopology()
	in := topology.From(scriptInput)
	value := func(v int) int { return v }
	switch name := fields[len(fields)-1]; name {
	case "sum":
		aggregate(in, definition, window.Sum(value))
	case "count":
		aggregate(in, definition, window.Count[int]())
	case "min":
		aggregate(in, definition, window.Min(value))
	case "max":
		aggregate(in, definition, window.Max(value))
	case "mean":
		aggregate(in, definition, window.Mean(value))
	default:
		t.Fatalf("unknown aggregator %q", name)
	}
	return topology
}

func aggregate[A, R any](in stream.Stream[string, int], d window.Definition, a window.Aggregator[int, A, R]) {
	text := func(r window.Result[R]) string { return fmt.Sprintf("[%d,%d)=%v", r.StartMillis, r.EndMillis, r.Value) }
	in.Window(d.Name("c")).Aggregate(a).Current().Map(text).To(scriptCurrent)
	in.Window(d.Name("f")).Aggregate(a).Final().Map(text).To(scriptFinal)
}

func parseRecord(t *testing.T, fields []string) testkit.Record[string, int] {
	t.Helper()
	if len(fields) != 3 {
		t.Fatalf("record %q: want key, time and value", fields)
	}
	millis, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	value, err := strconv.Atoi(fields[2])
	if err != nil {
		t.Fatal(err)
	}
	r := testkit.Record[string, int]{Key: fields[0], Value: value, Time: time.UnixMilli(millis)}
	if r.Key == "-" {
		r.Key, r.KeyNull = "", true
	}
	return r
}

func skipped(d *testkit.Driver) (late, nulls int64) {
	for _, task := range d.Tasks() {
		late += task.Late
		nulls += task.NullKeys
	}
	return late, nulls
}
