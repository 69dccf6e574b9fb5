package windowscripttest_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/operator/internal/operatortest"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// The scripts in testdata/window show the results of windows. Each record has a key (- is null), an event time in
// milliseconds, and a value (- is null):
//
//	tumbling 10ms grace 5ms sum
//	k 12 2
//	----
//	k 12 2
//	  current: [10,20)=2            the result that Current emits
//	  final: [0,10)=1               the result that Final emits
//	  late: [0,10) by 3             a call of OnLate
//	  null key                      the record was skipped
//
// A result for another key than the record's would be shown with that key.
func TestWindowScripts(t *testing.T) {
	operatortest.RunScripts(t, "testdata/window", newWindowPlayer)
}

var (
	scriptInput   = stream.NewTopic("input", codec.String(), codec.Int())
	scriptCurrent = stream.NewTopic("current", codec.String(), codec.String())
	scriptFinal   = stream.NewTopic("final", codec.String(), codec.String())
)

type windowPlayer struct {
	d              *testkit.Driver
	input          *testkit.Input[string, int]
	current, final *testkit.Output[string, string]
	late           []string // calls of OnLate for the last record
}

func newWindowPlayer(t *testing.T, definition []string) operatortest.Player {
	t.Helper()
	p := &windowPlayer{}
	p.d = testkit.New(t, scriptTopology(t, definition, &p.late), testkit.Config{})
	p.input, p.current, p.final = p.d.Input(scriptInput), p.d.Output(scriptCurrent), p.d.Output(scriptFinal)
	return p
}

func (p *windowPlayer) Driver() *testkit.Driver { return p.d }

func (p *windowPlayer) Play(t *testing.T, fields []string) (lines []string) {
	t.Helper()
	record := parseRecord(t, fields)
	before := operatortest.Counts(p.d)
	p.late = nil
	p.input.SendRecords(record)
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
			lines = append(lines, name+": "+strings.Join(results, " "))
		}
	}
	show("current", p.current)
	show("final", p.final)
	if len(p.late) > 0 {
		lines = append(lines, "late: "+strings.Join(p.late, " "))
	}
	if operatortest.Counts(p.d).NullKeys != before.NullKeys {
		lines = append(lines, "null key")
	}
	return lines
}

// scriptTopology builds a topology from the definition of a script, with Current and with Final. Calls of OnLate are added to
// late.
func scriptTopology(t *testing.T, fields []string, late *[]string) *stream.Topology {
	t.Helper()
	duration := func(text string) time.Duration { return operatortest.Duration(t, text) }
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
	s := script{in: stream.NewTopology(), definition: definition, option: option, number: number, late: late}
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
	late       *[]string
}

func aggregate[A, R any](s script, a window.Aggregator[int, A, R]) {
	d := s.definition
	closing := ")"
	if d.Settings().Kind.ByCount() || d.Settings().Kind.NeedsMerge() {
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
		*s.late = append(*s.late, late)
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
		final = final.EmitWhen(func(r R) bool { return size(r) >= s.number(n) })
	}
	current.Current().Map(text).To(scriptCurrent)
	final.Final().Map(text).To(scriptFinal)
}

func parseRecord(t *testing.T, fields []string) testkit.Record[string, int] {
	t.Helper()
	if len(fields) != 3 {
		t.Fatalf("record %q: want key, time and value", fields)
	}
	r := testkit.Record[string, int]{Key: fields[0], Time: operatortest.Time(t, fields[1]), ValueNull: fields[2] == "-"}
	if !r.ValueNull {
		var err error
		if r.Value, err = strconv.Atoi(fields[2]); err != nil {
			t.Fatal(err)
		}
	}
	if r.Key == "-" {
		r.Key, r.KeyNull = "", true
	}
	return r
}
