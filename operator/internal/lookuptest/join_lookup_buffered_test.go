package lookuptest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

var (
	bufferIn  = stream.NewTopic("readings", codec.String(), codec.String())
	bufferOut = stream.NewTopic("configured", codec.String(), codec.String())
)

// configurations is a lookup of the part of a value before its slash.
type configurations struct {
	known map[string]string
	err   error // of the next calls
	asked int
	fresh int // the calls that caches would pass on
	// changed is the number of changes that it tells of.
	changed int64
}

func (c *configurations) Changes() int64 { return c.changed }

func (c *configurations) Lookup(ctx context.Context, queries []string, found []*string) error {
	c.asked++
	if join.BypassesCache(ctx) {
		c.fresh++
	}
	if c.err != nil {
		return c.err
	}
	for i, q := range queries {
		if row, ok := c.known[q]; ok {
			found[i] = &row
		}
	}
	return nil
}

// buffered is a driver of a buffered lookup join, and its configurations.
type buffered struct {
	*testkit.Driver
	tb      testing.TB
	configs *configurations
	in      *testkit.Input[string, string]
	out     *testkit.Output[string, string]
}

type bufferedText = join.BufferedLookup[string, string]

func plain(b bufferedText) bufferedText { return b }

func newBuffered(tb testing.TB, left bool, change func(bufferedText) bufferedText, config testkit.Config) *buffered {
	configs := &configurations{known: map[string]string{}}
	lookup := change(join.Buffered[string, string](configs, 5*time.Second))
	query := func(v string) string { name, _, _ := strings.Cut(v, "/"); return name }
	t := stream.NewTopology()
	if left {
		t.From(bufferIn).LeftJoinLookup(lookup, query, func(v string, row *string) string {
			if row == nil {
				return v + " alone"
			}
			return v + "=" + *row
		}).To(bufferOut)
	} else {
		t.From(bufferIn).JoinLookup(lookup, query, func(v, row string) string { return v + "=" + row }).To(bufferOut)
	}
	if config.Start.IsZero() {
		config.Start = time.UnixMilli(1_000_000)
	}
	d := testkit.New(tb, t, config)
	return &buffered{d, tb, configs, d.Input(bufferIn), d.Output(bufferOut)}
}

// send sends values of a key, with times that grow from one test record to the next and a header.
func (b *buffered) send(key string, values ...string) {
	for _, v := range values {
		b.in.SendRecords(b.record(key, v))
	}
}

func (b *buffered) record(key, v string) testkit.Record[string, string] {
	return testkit.Record[string, string]{
		Key: key, KeyNull: key == "", Value: v, Time: b.Now(), Headers: []weir.Header{{Key: "of", Value: []byte(v)}},
	}
}

// expect compares the output since the last call, as "key: value", and checks that headers are those of the record.
func (b *buffered) expect(want ...string) {
	b.tb.Helper()
	var got []string
	for _, r := range b.out.Read() {
		got = append(got, r.Key+": "+r.Value)
		if v, _, _ := strings.Cut(strings.TrimSuffix(r.Value, " alone"), "="); len(r.Headers) != 1 || string(r.Headers[0].Value) != v {
			b.tb.Errorf("%q has headers %v", r.Value, r.Headers)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.tb.Errorf("(-want +got):\n%s", diff)
	}
}

// expectAnyOrder is expect for keys in any order.
func (b *buffered) expectAnyOrder(want ...string) {
	b.tb.Helper()
	var got []string
	for _, r := range b.out.Read() {
		got = append(got, r.Key+": "+r.Value)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		b.tb.Errorf("(-want +got):\n%s", diff)
	}
}

// EX-74, with the differences that a record is looked up once more at its deadline and that none is lost when there are too many.
func TestABufferedLookupJoinLetsRecordsWaitForTheirRows(t *testing.T) {
	between := map[string]func(*testkit.Driver){
		"undisturbed": func(*testkit.Driver) {},
		"restarted":   (*testkit.Driver).Restart,
		"crashed":     func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.KeepState) },
		"lost state":  func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.LoseState) },
	}
	for name, disturb := range between {
		for _, exactlyOnce := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, exactly once %v", name, exactlyOnce), func(t *testing.T) {
				b := newBuffered(t, true, plain, testkit.Config{ExactlyOnce: exactlyOnce})
				began := b.Now()
				b.send("k1", "d1")
				disturb(b.Driver)
				b.Advance(time.Second)
				b.send("k1", "d2")
				disturb(b.Driver)
				b.expect()
				b.Advance(time.Second)
				b.configs.known["d2"] = "two"
				b.send("k1", "d2/new")
				disturb(b.Driver)
				b.expect("k1: d2=two", "k1: d2/new=two")
				b.Advance(2999 * time.Millisecond)
				disturb(b.Driver)
				b.expect()
				b.Advance(time.Millisecond)
				disturb(b.Driver)
				records := b.out.Read()
				if len(records) != 1 || records[0].Value != "d1 alone" || !records[0].Time.Equal(began) || string(records[0].Headers[0].Value) != "d1" {
					t.Errorf("at the deadline: %+v", records)
				}
				b.send("k2", "d9")
				disturb(b.Driver)
				b.configs.known["d9"] = "nine"
				b.Advance(4 * time.Second)
				b.expect()
				disturb(b.Driver)
				b.Advance(time.Second)
				b.expect("k2: d9=nine")
				b.Advance(time.Hour)
				disturb(b.Driver)
				b.expect()
			})
		}
	}
}

func TestABufferedLookupJoinDropsRecordsThatFindNoRowInTime(t *testing.T) {
	b := newBuffered(t, false, plain, testkit.Config{})
	b.send("k", "d1", "d2")
	b.configs.known["d2"] = "two"
	b.Advance(5 * time.Second)
	b.expect("k: d2=two")
	if b.configs.fresh != 1 {
		t.Errorf("asked past caches %d times, want once", b.configs.fresh)
	}
	b.configs.known["d1"] = "one"
	b.send("k", "d1/new")
	b.expect("k: d1/new=one")
}

func TestDeadlinesOfABufferedLookupJoinPassWhileTheApplicationIsDown(t *testing.T) {
	for _, loss := range []testkit.Loss{testkit.KeepState, testkit.LoseState} {
		b := newBuffered(t, true, plain, testkit.Config{CheckpointInterval: time.Hour})
		b.send("a", "d1")
		b.Advance(time.Millisecond)
		b.send("", "d2") // the null key is a key like others
		b.Checkpoint()
		b.Crash(loss)
		b.Advance(5 * time.Second)
		b.expect("a: d1 alone", ": d2 alone")
		b.Crash(loss) // nothing of that is in a checkpoint
		b.Advance(time.Second)
		b.expect("a: d1 alone", ": d2 alone")
		b.Checkpoint()
		b.Crash(loss)
		b.Advance(time.Minute)
		b.expect()
	}
}

func TestANullKeyReleasesRecordsWithANullKeyOnly(t *testing.T) {
	b := newBuffered(t, true, plain, testkit.Config{})
	b.in.SendRecords(b.record("", "d1"))
	b.send("k", "d1/k")
	b.configs.known["d1"] = "one"
	b.in.SendRecords(b.record("", "d1/new"))
	for i, r := range b.out.Read() {
		if want := []string{"d1=one", "d1/new=one"}[i]; !r.KeyNull || r.Value != want {
			t.Errorf("record %d is %+v, want %q with a null key", i, r, want)
		}
	}
	b.Advance(5 * time.Second)
	b.expect("k: d1/k=one")
}

func TestABufferedLookupJoinBoundsTheRecordsOfAKey(t *testing.T) {
	for policy, want := range map[join.Overflow][]string{
		join.SettleOldest: {"k: x/0 alone", "k: x/1=X", "k: x/2=X", "k: x/3=X"},
		join.DropNewest:   {"k: x/0=X", "k: x/1=X", "k: x/3=X"},
		join.FailNewest:   {"k: x/0=X", "k: x/1=X", "k: x/3=X"},
	} {
		t.Run(policy.String(), func(t *testing.T) {
			b := newBuffered(t, true, func(b bufferedText) bufferedText { return b.MaxPerKey(2, policy) }, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
			b.send("k", "x/0", "x/1")
			b.Restart()
			b.send("k", "x/2")
			b.send("other", "x/0")
			b.configs.known["x"] = "X"
			b.send("k", "x/3")
			b.expect(want...)
			skipped := int64(0)
			for _, task := range b.Tasks() {
				skipped += task.Skipped
			}
			if failed := policy == join.FailNewest; failed != (skipped == 1) {
				t.Errorf("%d records were skipped", skipped)
			}
		})
	}
}

func TestABufferedLookupJoinWaitsForRowsThatAreComplete(t *testing.T) {
	complete := func(b bufferedText) bufferedText {
		return b.Resolved(func(row *string) bool { return *row != "partly" })
	}
	b := newBuffered(t, true, complete, testkit.Config{})
	b.configs.known["d1"], b.configs.known["d2"] = "partly", "partly"
	b.send("k", "d1", "d2")
	b.expect()
	b.configs.known["d2"] = "all"
	b.send("k", "d2/new")
	b.expect("k: d2=all", "k: d2/new=all")
	b.Advance(5 * time.Second)
	b.expect("k: d1=partly")

	inner := newBuffered(t, false, complete, testkit.Config{})
	inner.configs.known["d1"] = "partly"
	inner.send("k", "d1")
	inner.Advance(5 * time.Second)
	inner.expect()
}

func TestRecordsStayInABufferedLookupJoinWhileTheLookupIsUnavailable(t *testing.T) {
	b := newBuffered(t, true, plain, testkit.Config{})
	b.send("k", "d1", "d2")
	b.configs.err = &weir.RetryLaterError{Err: errors.New("down")}
	b.Advance(5 * time.Second) // the deadline comes
	b.Advance(time.Minute)
	asked := b.configs.asked
	b.expect()
	if asked < 2 || asked > 20 {
		t.Errorf("the lookup was asked %d times", asked)
	}
	b.configs.err = nil
	b.Advance(time.Minute)
	b.expect("k: d1 alone", "k: d2 alone")
}

// What is held at a time is read in parts from the database, and its numbers go over the limits of caches.
func TestManyRecordsWaitAndAreReleasedInOrder(t *testing.T) {
	b := newBuffered(t, true, plain, testkit.Config{})
	var want []string
	for i := range 3000 {
		v := fmt.Sprintf("d%d/%d", i%3, i)
		b.in.SendRecords(b.record("k", v))
		if i%3 == 1 {
			want = append(want, fmt.Sprintf("k: %s=one", v))
		}
		if i%1000 == 999 {
			b.Restart()
		}
	}
	b.configs.known["d1"] = "one"
	b.send("k", "d1/new")
	b.expect(append(want, "k: d1/new=one")...)
	b.Restart()
	b.configs.known["d2"] = "two"
	b.Advance(5 * time.Second)
	want = nil
	for i := range 3000 {
		switch i % 3 {
		case 0:
			want = append(want, fmt.Sprintf("k: d0/%d alone", i))
		case 2:
			want = append(want, fmt.Sprintf("k: d2/%d=two", i))
		}
	}
	b.expect(want...)
}

func TestARecordThatFailsWhenItIsReleasedGoesToTheErrorPolicyAlone(t *testing.T) {
	known := map[string]string{}
	lookup := join.LookupFunc[string, string](func(_ context.Context, queries []string, found []*string) error {
		for i, q := range queries {
			if row, ok := known[q]; ok {
				found[i] = &row
			}
		}
		return nil
	})
	topology := stream.NewTopology()
	topology.From(bufferIn).LeftJoinLookup(join.Buffered(lookup, time.Second), func(v string) string { return v[:1] },
		func(v string, row *string) string {
			if strings.HasSuffix(v, "!") {
				panic("unwanted")
			}
			return v
		}).To(bufferOut)
	d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}, Start: time.UnixMilli(1_000_000)})
	for _, v := range []string{"a1", "a!", "a2", "b1", "b!", "b2"} {
		d.Input(bufferIn).Send("k", v, d.Now())
	}
	maps.Copy(known, map[string]string{"a": ""})
	d.Input(bufferIn).Send("k", "a3", d.Now())
	d.Output(bufferOut).ExpectValues("a1", "a2", "a3")
	d.Advance(time.Second)
	d.Output(bufferOut).ExpectValues("a1", "a2", "a3", "b1", "b2")
	for _, task := range d.Tasks() {
		if task.Skipped != 2 {
			t.Errorf("%d records are skipped, want 2", task.Skipped)
		}
	}
}

func TestMistakesOfBufferedLookupsAreFound(t *testing.T) {
	topology := stream.NewTopology()
	s := topology.From(bufferIn)
	same := func(v string) string { return v }
	both := func(v, _ string) string { return v }
	lookup := &configurations{}
	s.JoinLookup(join.Buffered(lookup, 0).Name("a"), same, both).To(bufferOut)
	s.JoinLookup(join.Buffered(lookup, time.Second).Name("b").MaxPerKey(0, join.DropNewest), same, both).To(bufferOut)
	s.JoinLookup(join.Buffered(lookup, time.Second).Name("c").Codec(codec.Int64()), same, both).To(bufferOut)
	s.JoinLookup(join.Cached(join.Buffered(lookup, time.Second), join.CacheConfig{}), same, both).To(bufferOut)
	s.JoinLookup(join.Buffered(lookup, time.Second), same, both).To(bufferOut)
	err := topology.Validate()
	for _, want := range []string{
		"the wait of Buffered is 0", "MaxPerKey is 0", "codec of the left side", `store "lookup_buffer"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// What waits, or was not handed on yet, may still be emitted: windows behind the join must not close before.
func TestRecordsThatWaitForALookupHoldBackTheWatermark(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	backend := state.NewMemory()
	env := &operator.Env{
		Context: t.Context(), Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
		Space: func(name string) (state.Space, error) {
			return state.Space{Name: name, Backend: backend, Prefix: []byte(name), CacheBytes: 1 << 20}, nil
		},
	}
	configs := &configurations{known: map[string]string{}}
	op, err := operator.NewBufferedLookup(
		env, 0, join.Lookup[string, string](join.Buffered(configs, 5*time.Second)), true, codec.String(), codec.String(), nil,
		func(_ context.Context, r *weir.Record[string, string]) (string, error) { return r.Value, nil },
		func(_ context.Context, r *weir.Record[string, string], _ *string) (string, error) {
			return r.Value, nil
		}, &operatortest.Lines{},
	)
	if err != nil {
		t.Fatal(err)
	}
	hold := func(want int64) {
		t.Helper()
		if got, err := env.Holds[0].F(1000); err != nil || got != want {
			t.Errorf("the watermark is %d (%v), want %d", got, err, want)
		}
	}
	receive := func(key, value string, millis int64) {
		if err := op.Receive(&weir.Record[string, string]{Key: key, Value: value, Millis: millis}); err != nil {
			t.Fatal(err)
		}
	}
	settle := func() {
		if err := env.Settle(); err != nil {
			t.Fatal(err)
		}
	}
	hold(1000)
	receive("a", "d1", 700)
	hold(700) // before it is looked up
	settle()
	hold(700)
	receive("a", "d2", 500)
	receive("b", "d1", 600)
	settle()
	hold(500)
	configs.known["d2"] = "two"
	receive("a", "d2", 900)
	settle()
	hold(600)
	now = now.Add(5 * time.Second)
	if err := op.Ring(now.UnixMilli()); err != nil {
		t.Fatal(err)
	}
	hold(600) // what is due has left the store, but was not emitted
	settle()
	hold(1000)
}
