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
//	k 12 2                          key (- is null), event time in milliseconds, value (- is null)
//	  current: [10,20)=2            what Current emits for it
//	  final: [0,10)=1               what Final emits for it
//	  late: [0,10) by 3             it was too late for these windows, as OnLate is told
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
		nulls := skipped(d)
		tooLate = nil
		input.SendRecords(record)
		show := func(name string, o *testkit.Output[string, string]) {
			var results []string
			for _, r := range o.Read() {
				text := r.Value
				if start, _, _ := strings.Cut(text[1:], ","); start != strconv.FormatInt(r.Time.UnixMilli(), 10) || len(r.Headers) > 0 {
					text += fmt.Sprintf(" at %d with headers %v", r.Time.UnixMilli(), r.Headers)
				}
				if r.Key != record.Key {
					text = r.Key + text
				}
				results = append(results, text)
			}
			if len(results) > 0 {
				fmt.Fprintf(&out, "  %s: %s\n", name, strings.Join(results, " "))
			}
		}
		show("current", current)
		show("final", final)
		if len(tooLate) > 0 {
			fmt.Fprintf(&out, "  late: %s\n", strings.Join(tooLate, " "))
		}
		if skipped(d) != nulls {
			fmt.Fprintln(&out, "  null key")
		}
		between(d)
	}
	return out.String()
}

// tooLate is what OnLate was told of the last record.
var tooLate []string

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
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	size, step, _ := strings.Cut(fields[1], "/")
	var definition window.Definition
	switch fields[0] {
	case "tumbling":
		definition = window.Tumbling(duration(size))
	case "hopping":
		definition = window.Hopping(duration(size), duration(step))
	case "sliding":
		definition = window.Sliding(duration(size))
	case "session":
		definition = window.Session(duration(size))
	case "tumbling-count":
		definition = window.TumblingCount(number(size))
	case "hopping-count":
		definition = window.HoppingCount(number(size), number(step))
	case "sliding-count":
		definition = window.SlidingCount(number(size))
	default:
		t.Fatalf("definition %q", fields)
	}
	aggregator, fields := fields[2], fields[3:]
	option := func(name string) (string, bool) {
		if i := slices.Index(fields, name); i >= 0 {
			return fields[i+1], true
		}
		return "", false
	}
	if grace, ok := option("grace"); ok {
		definition = definition.Grace(duration(grace))
	}
	if _, ok := option("close"); ok {
		definition = definition.CloseByPartition()
	}
	if _, ok := option("skew"); ok {
		definition = definition.MaxFutureSkew(0)
	}
	s := script{in: stream.NewTopology(), definition: definition, option: option, number: number}
	value := func(v int) int { return v }
	switch aggregator {
	case "sum":
		aggregate(s, window.Sum(value))
	case "count":
		aggregate(s, window.Count[int]())
	case "min":
		aggregate(s, window.Min(value))
	case "max":
		aggregate(s, window.Max(value))
	case "mean":
		aggregate(s, window.Mean(value))
	case "first":
		aggregate(s, window.First(value))
	case "last":
		aggregate(s, window.Last(value))
	case "earliest":
		aggregate(s, window.Earliest(value))
	case "latest":
		aggregate(s, window.Latest(value))
	case "collect":
		aggregate(s, window.Collect[int]())
	default:
		t.Fatalf("unknown aggregator %q", aggregator)
	}
	return s.in
}

type script struct {
	in         *stream.Topology
	definition window.Definition
	option     func(string) (string, bool)
	number     func(string) int
}

func aggregate[A, R any](s script, a window.Aggregator[int, A, R]) {
	d := s.definition
	closing := ")"
	if d.ByCount() || d.NeedsMerge() {
		closing = "]"
	}
	text := func(r window.Result[R]) string {
		return fmt.Sprintf("[%d,%d%s=%v", r.StartMillis, r.EndMillis, closing, r.Value)
	}
	size := func(r R) int { // of a list its length
		switch r := any(r).(type) {
		case int:
			return r
		case []int:
			return len(r)
		}
		return 0
	}
	in := s.in.From(scriptInput)
	onLate := func(l window.Late) bool {
		late := fmt.Sprintf("[%d,%d%s by %d", l.StartMillis, l.EndMillis, closing, l.By.Milliseconds())
		if l.Reason != window.Closed {
			late = l.Reason.String()
		}
		tooLate = append(tooLate, late)
		return false
	}
	current := in.Window(d.Name("c")).Aggregate(a)
	final := in.Window(d.Name("f").OnLate(onLate)).Aggregate(a)
	if n, ok := s.option("after"); ok {
		f := func(r R) bool { return size(r) >= s.number(n) }
		current, final = current.CloseAfter(f), final.CloseAfter(f)
	}
	if n, ok := s.option("before"); ok {
		f := func(r R, next int) bool { return size(r)+next > s.number(n) }
		current, final = current.CloseBefore(f), final.CloseBefore(f)
	}
	if n, ok := s.option("records"); ok {
		final = final.EveryRecords(s.number(n))
	}
	if n, ok := s.option("time"); ok {
		final = final.EveryTime(time.Duration(s.number(n)) * time.Millisecond)
	}
	if n, ok := s.option("when"); ok {
		final = final.When(func(r R) bool { return size(r) >= s.number(n) })
	}
	current.Current().Map(text).To(scriptCurrent)
	final.Final().Map(text).To(scriptFinal)
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
	r := testkit.Record[string, int]{Key: fields[0], Time: time.UnixMilli(millis), ValueNull: fields[2] == "-"}
	if !r.ValueNull {
		if r.Value, err = strconv.Atoi(fields[2]); err != nil {
			t.Fatal(err)
		}
	}
	if r.Key == "-" {
		r.Key, r.KeyNull = "", true
	}
	return r
}

func skipped(d *testkit.Driver) (nulls int64) {
	for _, task := range d.Tasks() {
		nulls += task.NullKeys
	}
	return nulls
}
