package operatortest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// probe is the user's function in the topologies of these tests. It notes what it is given, and fails if it was told to.
//
// MapAsync calls it on other goroutines.
type probe struct {
	mu     sync.Mutex // guards values and last
	values []string
	last   textRecord
	fail   error // returned for the value "bad"
	panics any   // panicked with for the value "bad", or when the function cannot return an error
}

// forget makes the probe as new.
func (p *probe) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.values, p.last, p.fail, p.panics = nil, textRecord{}, nil, nil
}

func (p *probe) try(r textRecord) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.values = append(p.values, r.Value)
	p.last = r
	p.last.Headers = nil // what it points to is valid during the call only
	for _, h := range r.Headers {
		p.last.Headers = append(p.last.Headers, weir.Header{Key: strings.Clone(h.Key), Value: bytes.Clone(h.Value)})
	}
	if r.Origin != nil {
		origin := *r.Origin
		p.last.Origin = &origin
	}
	if r.Value == "bad" {
		if p.panics != nil {
			panic(p.panics)
		}
		return p.fail
	}
	return nil
}

func (p *probe) see(r textRecord) {
	if err := p.try(r); err != nil {
		panic(err)
	}
}

func (p *probe) seeValue(v string) { p.see(textRecord{Value: v}) }

func (p *probe) tryValue(_ context.Context, v string) error { return p.try(textRecord{Value: v}) }

func (p *probe) tryRecord(_ context.Context, r textRecord) error { return p.try(r) }

// effect is what an operator does to a record.
type effect int

const (
	passes         effect = iota // hands it on as it is
	keeps                        // as passes, but drops the value "drop"
	mapsValue                    // the value becomes "new"
	mapsTwice                    // as mapsValue, and another record with the value "newer"
	mapsKey                      // the key becomes "new"
	mapsState                    // as mapsValue, and skips null keys
	mapsStateTwice               // as mapsTwice, and skips null keys
	keepsState                   // as keeps, and skips null keys
	passesState                  // as passes, and skips null keys
	passesNulls                  // as passesState, and does not ask about null values
	setsTime                     // the time becomes 77
	addsHeader                   // adds the header x=y
	reduces                      // as passesState, drops null values, and does not ask about the first value of a key
)

// stateful reports whether records with a null key are skipped.
func (e effect) stateful() bool {
	return e == mapsState || e == mapsStateTwice || e == keepsState || e == passesState || e == passesNulls || e == reduces
}

// sees returns the values that the function of an operator is called with.
func (e effect) sees(records []record) (values []string) {
	before := map[string]bool{}
	for _, r := range records {
		if e.stateful() && r.KeyNull || e == passesNulls && r.ValueNull {
			continue
		}
		if e == reduces {
			if r.ValueNull {
				continue
			}
			if !before[r.Key] {
				before[r.Key] = true
				continue
			}
		}
		values = append(values, r.Value)
	}
	return values
}

// operators are all operators that take one function. Each declares itself in one line.
var operators = []struct {
	name    string
	node    string // begins the name of the node
	effect  effect
	try     bool // the function can return an error
	record  bool // the function sees the record
	declare func(textStream, *probe) textStream
}{
	{"Map", "map-1", mapsValue, false, false, func(s textStream, p *probe) textStream {
		return s.Map(func(v string) string { p.seeValue(v); return "new" })
	}},
	{"MapRecord", "map-1", mapsValue, true, true, func(s textStream, p *probe) textStream {
		return s.MapRecord(func(ctx context.Context, r textRecord) (string, error) { return "new", p.tryRecord(ctx, r) })
	}},
	{"MapWith", "map-1", mapsValue, true, false, func(s textStream, p *probe) textStream {
		return s.MapWith(func(ctx context.Context, v string) (string, error) { return "new", p.tryValue(ctx, v) })
	}},
	{"MapAsync", "mapasync 1 at a time", mapsValue, true, false, func(s textStream, p *probe) textStream {
		return s.MapAsync(func(ctx context.Context, v string) (string, error) { return "new", p.tryValue(ctx, v) }, once)
	}},
	{"MapAsyncRecord", "mapasync 1 at a time", mapsValue, true, true, func(s textStream, p *probe) textStream {
		return s.MapAsyncRecord(func(ctx context.Context, r textRecord) (string, error) { return "new", p.tryRecord(ctx, r) }, once)
	}},
	{"FilterWith", "filter-1", keeps, true, false, func(s textStream, p *probe) textStream {
		return s.FilterWith(func(ctx context.Context, v string) (bool, error) { return v != "drop", p.tryValue(ctx, v) })
	}},
	{"Filter", "filter-1", keeps, false, false, func(s textStream, p *probe) textStream {
		return s.Filter(func(v string) bool { p.seeValue(v); return v != "drop" })
	}},
	{"FilterRecord", "filter-1", keeps, true, true, func(s textStream, p *probe) textStream {
		return s.FilterRecord(func(ctx context.Context, r textRecord) (bool, error) { return r.Value != "drop", p.tryRecord(ctx, r) })
	}},
	{"FlatMap", "flatmap-1", mapsTwice, false, false, func(s textStream, p *probe) textStream {
		return s.FlatMap(func(v string) []string { p.seeValue(v); return expand(v) })
	}},
	{"FlatMapRecord", "flatmap-1", mapsTwice, true, true, func(s textStream, p *probe) textStream {
		return s.FlatMapRecord(func(ctx context.Context, r textRecord) ([]string, error) { return expand(r.Value), p.tryRecord(ctx, r) })
	}},
	{"Peek", "peek-1", passes, false, false, func(s textStream, p *probe) textStream {
		return s.Peek(p.seeValue)
	}},
	{"PeekRecord", "peek-1", passes, true, true, func(s textStream, p *probe) textStream {
		return s.PeekRecord(p.tryRecord)
	}},
	{"GroupBy", "groupby g", mapsKey, false, false, func(s textStream, p *probe) textStream {
		return s.GroupBy("g", func(v string) string { p.seeValue(v); return "new" })
	}},
	{"GroupByWith", "groupby g", mapsKey, false, false, func(s textStream, p *probe) textStream {
		to := stream.Repartition[string, string]{Name: "g", Key: codec.JSON[string](), Value: codec.JSON[string](), Partitions: 3}
		return s.GroupByWith(to, func(v string) string { p.seeValue(v); return "new" })
	}},
	{"MapState", "mapstate cell", mapsState, false, false, func(s textStream, p *probe) textStream {
		return s.MapState(cellHandle, func(_ *textCell, v string) string { p.seeValue(v); return "new" })
	}},
	{"MapStateRecord", "mapstate cell", mapsState, true, true, func(s textStream, p *probe) textStream {
		return s.MapStateRecord(cellHandle, func(ctx context.Context, _ *textCell, r textRecord) (string, error) {
			return "new", p.tryRecord(ctx, r)
		})
	}},
}

// expand returns nothing for "drop".
func expand(v string) []string {
	if v == "drop" {
		return nil
	}
	return []string{"new", "newer"}
}

// apply returns what an operator makes of records.
func (e effect) apply(records []record) (want []record) {
	for _, r := range records {
		if e.stateful() && r.KeyNull {
			continue
		}
		switch e {
		case reduces:
			if !r.ValueNull {
				want = append(want, r)
			}
		case passes, passesState, passesNulls:
			want = append(want, r)
		case setsTime:
			r.Time = at(77)
			want = append(want, r)
		case addsHeader:
			r.Headers = append(slices.Clip(r.Headers), weir.Header{Key: "x", Value: []byte("y")})
			want = append(want, r)
		case keeps, keepsState:
			if r.Value != "drop" {
				want = append(want, r)
			}
		case mapsKey:
			r.Key, r.KeyNull = "new", false
			want = append(want, r)
		case mapsTwice, mapsStateTwice:
			if r.Value == "drop" {
				continue
			}
			r.Value, r.ValueNull = "new", false
			want = append(want, r)
			r.Value = "newer"
			want = append(want, r)
		case mapsValue:
			r.Value, r.ValueNull = "new", false
			want = append(want, r)
		case mapsState:
			r.Value, r.ValueNull = "new", false
			want = append(want, r)
		}
	}
	return want
}

// D-13 (records with a null key are skipped instead), D-15.
func TestOperatorsKeepWhatTheyDoNotChange(t *testing.T) {
	headers := []weir.Header{{Key: "a", Value: []byte("1")}, {Key: "b"}, {Key: "a", Value: []byte("2")}}
	records := []record{
		{Key: "k", Value: "v", Time: at(1234), Headers: headers},
		{Key: "k", Value: "drop", Time: at(1235)},
		{Value: "null key", Time: at(1236), KeyNull: true},
		{Key: "", Value: "empty key", Time: at(1237)},
		{Key: "k", Time: at(1238), ValueNull: true, Headers: headers[:1]},
		{Key: "k", Value: "", Time: at(1239)},
		{Time: at(1200), KeyNull: true, ValueNull: true},
	}
	for _, o := range operators {
		t.Run(o.name, func(t *testing.T) {
			p := &probe{}
			topology := stream.NewTopology()
			o.declare(topology.From(in), p).To(out)
			d := testkit.New(t, topology, testkit.Config{})
			d.Input(in).SendRecords(records...)
			d.Output(out).Expect(o.effect.apply(records)...)

			var nullKeys int64
			if o.effect.stateful() {
				nullKeys = 2
			}
			if diff := cmp.Diff(o.effect.sees(records), p.values); diff != "" {
				t.Errorf("the function saw (-want +got):\n%s", diff)
			}
			if got := d.Tasks()[0].NullKeys; got != nullKeys {
				t.Errorf("%d records with a null key were counted, want %d", got, nullKeys)
			}
		})
	}
}

func TestRecordFunctionsSeeTheWholeRecord(t *testing.T) {
	headers := []weir.Header{{Key: "h", Value: []byte("1")}}
	for _, o := range operators {
		if !o.record {
			continue
		}
		t.Run(o.name, func(t *testing.T) {
			p := &probe{}
			topology := stream.NewTopology()
			o.declare(topology.From(in), p).To(out)
			input := testkit.New(t, topology, testkit.Config{}).Input(in)
			input.Send("k", "first", at(1))

			sent := record{Key: "k", ValueNull: true, Time: at(2), Headers: headers}
			want := textRecord{
				Key: "k", ValueNull: true, Millis: 2, Headers: headers, Origin: &weir.Origin{Topic: "in", Offset: 1},
			}
			if o.effect == reduces { // which drops null values
				sent.Value, want.Value, sent.ValueNull, want.ValueNull = "v", "v", false, false
				want.Origin.Size = 1
			}
			input.SendRecords(sent)
			if diff := cmp.Diff(want, p.last); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			if o.effect.stateful() {
				return
			}
			input.SendRecords(record{Value: "v", KeyNull: true, Time: at(3)})
			want = textRecord{Value: "v", KeyNull: true, Millis: 3, Origin: &weir.Origin{Topic: "in", Offset: 2, Size: 1}}
			if diff := cmp.Diff(want, p.last); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
		})
	}
}

var errBad = errors.New("bad value")

func TestFailureEndsTheApplicationAndCommitsNothing(t *testing.T) {
	for _, o := range operators {
		for _, how := range []string{"error", "panic with an error", "panic with a value"} {
			p := &probe{}
			switch {
			case how == "error" && o.try:
				p.fail = errBad
			case how == "panic with an error":
				p.panics = errBad
			case how == "panic with a value":
				p.panics = 17
			default:
				continue
			}
			t.Run(o.name+"/"+how, inBubble(func(t *testing.T) {
				topology := stream.NewTopology()
				o.declare(topology.From(in), p).To(out)
				d := testkit.New(t, topology, testkit.Config{})
				input := d.Input(in)

				records := []record{{Key: "k", Value: "good"}, {Key: "k", Value: "bad"}, {Key: "k", Value: "never"}}
				err := input.TrySendRecords(records...)
				var failed *weir.ProcessingError
				if !errors.As(err, &failed) {
					t.Fatalf("error %v, want a ProcessingError", err)
				}
				if want := (weir.Origin{Topic: "in", Offset: 1, Size: 3}); failed.Origin != want {
					t.Errorf("origin %+v, want %+v", failed.Origin, want)
				}
				if failed.Node != o.node {
					t.Errorf("node %q, want %q", failed.Node, o.node)
				}
				if want := topology.Graph().Nodes[1].Site; failed.Site != want || !strings.HasPrefix(want, "operatortest/operators_") {
					t.Errorf("site %q, want that of the node, %q", failed.Site, want)
				}
				if panicked := how != "error"; panicked != strings.Contains(string(failed.Stack), "probe") {
					t.Errorf("stack is:\n%s", failed.Stack)
				}
				if how == "panic with a value" {
					if failed.Err.Error() != "17" {
						t.Errorf("cause %q, want 17", failed.Err)
					}
				} else if !errors.Is(err, errBad) {
					t.Errorf("error %v is not what the function failed with", err)
				}

				// Nothing was committed: all come again.
				synctest.Wait() // for calls in flight
				p.forget()
				d.Crash(testkit.KeepState)
				input.Send("k", "more", at(0))
				if diff := cmp.Diff(o.effect.sees(append(records, record{Key: "k", Value: "more"})), p.values); diff != "" {
					t.Errorf("after the crash the function saw (-want +got):\n%s", diff)
				}
			}))
		}
	}
}

// inBubble runs a test where synctest waits for the goroutines that it has begun.
func inBubble(run func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { synctest.Test(t, run) }
}

func TestSkippedFailuresAreCounted(t *testing.T) {
	for _, o := range operators {
		t.Run(o.name, func(t *testing.T) {
			p := &probe{panics: errBad}
			topology := stream.NewTopology()
			o.declare(topology.From(in), p).To(out)
			d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
			records := []record{{Key: "k", Value: "good", Time: at(0)}, {Key: "k", Value: "bad", Time: at(0)}, {Key: "k", Value: "better", Time: at(0)}}
			d.Input(in).SendRecords(records...)
			d.Output(out).Expect(o.effect.apply([]record{records[0], records[2]})...)
			if task := d.Tasks()[0]; task.Skipped != 1 || task.Processed != 3 {
				t.Errorf("%d of %d records skipped, want 1 of 3", task.Skipped, task.Processed)
			}
			d.Restart() // and they were committed
			if n := len(o.effect.sees(records)); len(p.values) != n {
				t.Errorf("after a restart the function saw %q again", p.values[n:])
			}
		})
	}
}

func TestProcessingErrorNamesTheLineThatDeclaredTheOperator(t *testing.T) {
	topology := stream.NewTopology()
	_, _, line, _ := runtime.Caller(0)
	topology.From(in).
		Filter(func(string) bool { return true }).
		Map(func(string) string { panic("no") }).
		To(out)
	err := testkit.New(t, topology, testkit.Config{}).Input(in).TrySendRecords(record{Key: "k", Value: "v"})
	if want := fmt.Sprintf("process in[0] at offset 0: map-1 (operatortest/operators_test.go:%d): panic: no", line+3); err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %v", err, want)
	}
}

// once lets a call be made once.
var once = stream.AsyncOptions{Concurrency: 1, Retry: weir.Retry{Attempts: 1}}
