package windowgoldentest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/operator/internal/operatortest"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// goldenCase is one recording of the original's windows. Times are in milliseconds.
type goldenCase struct {
	ID          int            `json:"id"`
	Kind        string         `json:"kind"`
	Size        int64          `json:"size"`
	Step        int64          `json:"step"`
	Grace       int64          `json:"grace"`
	Strategy    string         `json:"strategy"` // how windows close: by "key" or "partition"
	Mode        string         `json:"mode"`     // "final" or "current"
	Agg         string         `json:"agg"`
	CommitEvery int            `json:"commit_every"` // records from one checkpoint to the next; 0 is at the end
	Trigger     string         `json:"trigger"`      // "before" or "after" the update; or empty
	Threshold   int64          `json:"threshold"`
	Inputs      []goldenInput  `json:"inputs"`
	Outputs     []goldenOutput `json:"outputs"`
	Late        []goldenLate   `json:"late"`
	// Err is the failure that ended the recording.
	Err *struct {
		I int    `json:"i"`
		E string `json:"e"`
	} `json:"err"`
}

type goldenInput struct {
	Key   *string `json:"k"`
	Value *int64  `json:"v"`
	Time  int64   `json:"t"`
}

type goldenOutput struct {
	I     int             `json:"i"` // the input that caused it
	Key   string          `json:"k"`
	Time  int64           `json:"t"`
	Start int64           `json:"start"`
	End   int64           `json:"end"`
	Value json.RawMessage `json:"value"`
}

func (o goldenOutput) String() string {
	return fmt.Sprintf("%d: %s [%d,%d]=%s at %d", o.I, o.Key, o.Start, o.End, o.Value, o.Time)
}

type goldenLate struct {
	I     int    `json:"i"`
	Key   string `json:"k"`
	Value *int64 `json:"v"`
	Time  int64  `json:"t"`
	By    int64  `json:"by"`
	Start int64  `json:"start"`
	End   int64  `json:"end"`
}

func (l goldenLate) String() string {
	value := "null"
	if l.Value != nil {
		value = strconv.FormatInt(*l.Value, 10)
	}
	return fmt.Sprintf("%d: %s %s at %d late by %d for [%d,%d]", l.I, l.Key, value, l.Time, l.By, l.Start, l.End)
}

var (
	goldenIn  = stream.NewTopic("in", codec.String(), codec.JSON[*int64]())
	goldenOut = stream.NewTopic("out", codec.String(), codec.JSON[window.Result[json.RawMessage]]())
)

func (c *goldenCase) definition(t *testing.T) window.Definition {
	t.Helper()
	size, step := time.Duration(c.Size)*time.Millisecond, time.Duration(c.Step)*time.Millisecond
	var d window.Definition
	switch c.Kind {
	case "tumbling":
		d = window.Tumbling(size)
	case "hopping":
		d = window.Hopping(size, step)
	case "sliding":
		d = window.Sliding(size)
	case "session":
		d = window.Session(size)
	case "tumbling_count":
		return window.TumblingCount(int(c.Size))
	case "hopping_count":
		return window.HoppingCount(int(c.Size), int(c.Step))
	case "sliding_count":
		return window.SlidingCount(int(c.Size))
	default:
		t.Fatalf("kind %q", c.Kind)
	}
	if c.Strategy == "partition" {
		d = d.CloseByPartition()
	}
	return d.Grace(time.Duration(c.Grace) * time.Millisecond).MaxFutureSkew(0)
}

// goldenRun is the outcome of the inputs of a case.
type goldenRun struct {
	outputs []goldenOutput
	late    []goldenLate
	i       int // the input that is being processed
}

func number(v *int64) int64 { return *v }

// golden is an aggregation of the inputs.
func golden[A, R any](t *testing.T, c *goldenCase, run *goldenRun, a window.Aggregator[*int64, A, R]) *stream.Topology {
	t.Helper()
	topology := stream.NewTopology()
	d := c.definition(t).OnLate(func(l window.Late) bool {
		value, _ := l.Value.(*int64)
		run.late = append(run.late, goldenLate{
			I: run.i, Key: l.Key.(string), Value: value, Time: l.Millis, By: l.By.Milliseconds(), Start: l.StartMillis, End: l.EndMillis,
		})
		return false
	})
	aggregated := topology.From(goldenIn).Window(d).Aggregate(a)
	total := func(soFar R) int64 { return any(soFar).(int64) }
	switch c.Trigger {
	case "before":
		aggregated = aggregated.CloseBefore(func(soFar R, next *int64) bool { return total(soFar)+*next > c.Threshold })
	case "after":
		aggregated = aggregated.CloseAfter(func(soFar R) bool { return total(soFar) >= c.Threshold })
	}
	var results stream.Stream[string, window.Result[R]]
	if c.Mode == "final" {
		results = aggregated.Final()
	} else {
		results = aggregated.Current()
	}
	results.Map(func(r window.Result[R]) window.Result[json.RawMessage] {
		value, err := json.Marshal(r.Value)
		if err != nil {
			t.Error(err)
		}
		return window.Result[json.RawMessage]{StartMillis: r.StartMillis, EndMillis: r.EndMillis, Value: value}
	}).To(goldenOut)
	return topology
}

type goldenAll struct {
	Count    int64    `json:"count"`
	Sum      int64    `json:"sum"`
	Mean     *float64 `json:"mean"`
	Min      *int64   `json:"min"`
	Max      *int64   `json:"max"`
	Earliest *int64   `json:"earliest"`
	Latest   *int64   `json:"latest"`
	First    *int64   `json:"first"`
	Last     *int64   `json:"last"`
	Values   *[]int64 `json:"values,omitempty"`
}

// topology builds the windows of the case.
func (c *goldenCase) topology(t *testing.T, run *goldenRun) *stream.Topology {
	t.Helper()
	type picked = *int64
	some := func(f func(func(*int64) int64) window.Aggregator[*int64, window.Picked[int64], int64]) window.Aggregator[*int64, window.OptionalState[window.Picked[int64]], picked] {
		return window.Optional(f(number))
	}
	least, greatest := window.Optional(window.Min(number)), window.Optional(window.Max(number))
	mean := window.Optional(window.Mean(number))
	first, last := some(window.First[*int64, int64]), some(window.Last[*int64, int64])
	earliest, latest := some(window.Earliest[*int64, int64]), some(window.Latest[*int64, int64])
	values := window.CollectOf(number)
	nine := window.Combine3(
		window.Combine4(window.Count[*int64](), window.Sum(number), mean, least,
			func(n, sum int64, mean *float64, least *int64) goldenAll {
				return goldenAll{Count: n, Sum: sum, Mean: mean, Min: least}
			}),
		greatest,
		window.Combine4(earliest, latest, first, last, func(e, l, f, z *int64) goldenAll {
			return goldenAll{Earliest: e, Latest: l, First: f, Last: z}
		}),
		func(a goldenAll, greatest *int64, b goldenAll) goldenAll {
			a.Max, a.Earliest, a.Latest, a.First, a.Last = greatest, b.Earliest, b.Latest, b.First, b.Last
			return a
		})
	switch c.Agg {
	case "count":
		return golden(t, c, run, window.Count[*int64]())
	case "sum":
		return golden(t, c, run, window.Sum(number))
	case "mean":
		return golden(t, c, run, mean)
	case "min":
		return golden(t, c, run, least)
	case "max":
		return golden(t, c, run, greatest)
	case "first":
		return golden(t, c, run, first)
	case "last":
		return golden(t, c, run, last)
	case "earliest":
		return golden(t, c, run, earliest)
	case "latest":
		return golden(t, c, run, latest)
	case "collect":
		return golden(t, c, run, values)
	case "all":
		return golden(t, c, run, nine)
	case "allcollect":
		return golden(t, c, run, window.Combine2(nine, values, func(a goldenAll, values []int64) goldenAll {
			a.Values = &values
			return a
		}))
	case "custom":
		return golden(t, c, run, window.CustomMerging(func() int64 { return 0 }, func(acc *int64, v *int64) {
			if v != nil {
				*acc += *v * *v
			}
		}, func(dst *int64, src int64) { *dst += src }, func(acc *int64) int64 { return *acc }))
	case "reduce":
		text := func(v *int64) string {
			if v == nil {
				return "None"
			}
			return strconv.FormatInt(*v, 10)
		}
		return golden(t, c, run, window.ReduceMerging(text,
			func(texts string, v *int64) string { return texts + "," + text(v) },
			func(a, b string) string { return a + "," + b }))
	}
	t.Fatalf("aggregator %q", c.Agg)
	return nil
}

// run processes the inputs one by one. between is called after each that ends in a checkpoint.
func (c *goldenCase) run(t *testing.T, between func(*testkit.Driver)) *goldenRun {
	t.Helper()
	run := &goldenRun{}
	driver := testkit.New(t, c.topology(t, run), testkit.Config{})
	input, output := driver.Input(goldenIn), driver.Output(goldenOut)
	for i, in := range c.Inputs {
		run.i = i
		r := testkit.Record[string, *int64]{Value: in.Value, ValueNull: in.Value == nil, KeyNull: in.Key == nil, Time: time.UnixMilli(in.Time)}
		if in.Key != nil {
			r.Key = *in.Key
		}
		input.SendRecords(r)
		for _, r := range output.Read() {
			run.outputs = append(run.outputs, goldenOutput{
				I: i, Key: r.Key, Time: r.Time.UnixMilli(), Start: r.Value.StartMillis, End: r.Value.EndMillis, Value: r.Value.Value,
			})
		}
		if c.CommitEvery > 0 && (i+1)%c.CommitEvery == 0 {
			between(driver)
		}
	}
	return run
}

// texts returns outputs and late records for comparison, values in one form of JSON.
func (r *goldenRun) texts(t *testing.T) (texts []string) {
	t.Helper()
	for _, o := range r.outputs {
		var value any
		if err := json.Unmarshal(o.Value, &value); err != nil {
			t.Fatal(err)
		}
		var err error
		if o.Value, err = json.Marshal(value); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, o.String())
	}
	for _, l := range r.late {
		texts = append(texts, l.String())
	}
	return texts
}

func (m *goldenModel) texts(t *testing.T) []string {
	t.Helper()
	texts := m.run.texts(t)
	if m.failed >= 0 {
		texts = append(texts, fmt.Sprintf("failed at %d", m.failed))
	}
	return texts
}

// recorded returns the recording, as texts does.
func (c *goldenCase) recorded(t *testing.T) []string {
	t.Helper()
	m := &goldenModel{run: goldenRun{outputs: c.Outputs, late: c.Late}, failed: -1}
	if c.Err != nil {
		m.failed = c.Err.I
	}
	return m.texts(t)
}

// inSomeOrder sorts texts, if windows close by partition: the original closes those in no fixed order.
func (c *goldenCase) inSomeOrder(texts []string) []string {
	if c.Strategy == "partition" {
		texts = slices.Sorted(slices.Values(texts))
	}
	return texts
}

var weirRules = goldenRules{
	leaveOutNulls: true, watermark: true, exactSliding: true, inclusiveEnd: true, byEnd: true,
	everyTimeCounts: true, askNotEmpty: true, carry: true, emitTriggered: true,
}

// goldenDifferences are the differences of windows that are meant, under the names that they have on the page.
var goldenDifferences = map[string]goldenRules{
	"collected values contain nulls": {leaveOutNulls: true},
	"by partition, time is the end of the last closed step, and windows that were closed are opened again and never close; a grace beyond the first times fails": {watermark: true},
	"sliding windows are inexact near the watermark, and fail at time 0":                                                                                         {exactSliding: true},
	"the end of a session is a millisecond after its last record":                                                                                                {inclusiveEnd: true},
	"windows that close by partition come by key, or in no fixed order":                                                                                          {byEnd: true},
	"a record does not move time if a trigger closes its windows at once":                                                                                        {everyTimeCounts: true},
	"`before_update` is asked about a window without records, and may emit its empty result; and before null values":                                             {askNotEmpty: true},
	"the value that makes `before_update` close a window is lost":                                                                                                {carry: true},
	"`current()` does not emit the result with which `after_update` closes a window":                                                                             {emitTriggered: true},
}

// The rules of the original give the recordings, and the rules of Weir give its results. The two sets of rules differ by the
// differences that docs/differences-from-quix.md names, and each of these shows in exactly as many cases as the page says.
func TestGoldenWindowsDifferOnlyAsMeant(t *testing.T) {
	counts := map[string]int{}
	for name := range goldenDifferences {
		counts[name] = 0
	}
	for _, file := range []string{"windows.jsonl", "triggers.jsonl"} {
		for _, c := range operatortest.ReadGolden[goldenCase](t, file) {
			original := goldenWindows(t, &c, goldenRules{}).texts(t)
			if diff := gocmp.Diff(c.inSomeOrder(c.recorded(t)), c.inSomeOrder(original)); diff != "" {
				t.Errorf("%s %d: the rules of the original (-recorded +rules):\n%s", file, c.ID, diff)
			}
			want := goldenWindows(t, &c, weirRules).texts(t)
			for name, between := range map[string]func(*testkit.Driver){"checkpoints": (*testkit.Driver).Checkpoint, "restarts": (*testkit.Driver).Restart} {
				if diff := gocmp.Diff(want, c.run(t, between).texts(t)); diff != "" {
					t.Errorf("%s %d, with %s: Weir (-rules +results):\n%s", file, c.ID, name, diff)
				}
			}
			for name, rules := range goldenDifferences {
				if !slices.Equal(goldenWindows(t, &c, rules).texts(t), original) {
					counts[name]++
				}
			}
		}
	}
	operatortest.CheckDifferences(t, counts)
}
