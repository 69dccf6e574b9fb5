package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/globaltable"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/stream"
)

// globalsTest is a global table of numbers by name, and its topic "rows".
type globalsTest struct {
	*globaltable.Tables
	t      *testing.T
	clock  *clock.Virtual
	broker *simbroker.Broker
	plan   *graph.Plan
	log    bytes.Buffer
	action weir.ErrorAction
}

func newGlobals(t *testing.T, partitions int32) *globalsTest {
	t.Helper()
	g := &globalsTest{t: t, clock: clock.NewVirtual(begin)}
	g.broker = simbroker.New(g.clock)
	if err := g.broker.CreateTopic(broker.TopicSpec{Name: "rows", Partitions: partitions, Replication: -1}); err != nil {
		t.Fatal(err)
	}
	return g
}

func row(key, value string) broker.Record {
	r := broker.Record{Key: []byte(key), Value: []byte(value), Millis: 1}
	if value == "" {
		r.Value = nil
	}
	return r
}

func (g *globalsTest) write(partition int32, records ...broker.Record) {
	g.t.Helper()
	if err := g.broker.Append(broker.TopicPartition{Topic: "rows", Partition: partition}, records...); err != nil {
		g.t.Fatal(err)
	}
}

// begin begins to read partitions of the topic.
func (g *globalsTest) begin(partitions int32) {
	g.t.Helper()
	topology := stream.NewTopology()
	topology.From(orders)
	topology.GlobalTable(stream.NewTopic("rows", codec.String(), codec.Codec[int](oddCodec{codec.JSON[int]()})))
	fetcher, err := g.broker.NewFetcher(broker.FetcherConfig{})
	if err != nil {
		g.t.Fatal(err)
	}
	config := engine.Config{
		Errors: weir.ErrorPolicy{Action: g.action}, Clock: g.clock,
		Logger: slog.New(slog.NewTextHandler(&g.log, nil)),
	}
	g.plan = graph.NewPlan(topology.Graph(), groupName)
	g.Tables = globaltable.New(config.ForGlobals(g.plan, nil), g.plan, g.broker, fetcher, map[string]int32{"rows": partitions})
	g.t.Cleanup(func() { g.Close() })
	if err := g.Begin(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

// step makes steps until nothing is left to read.
func (g *globalsTest) step() error {
	for {
		worked, err := g.Step(g.t.Context(), 0)
		if err != nil || !worked {
			return err
		}
	}
}

func (g *globalsTest) rows() map[string]int {
	rows := map[string]int{}
	for key, value := range g.Table(g.plan.Globals[0]).Rows() {
		rows[key] = value.(int)
	}
	return rows
}

func (g *globalsTest) expect(want map[string]int) {
	g.t.Helper()
	if err := g.step(); err != nil {
		g.t.Fatal(err)
	}
	if diff := gocmp.Diff(want, g.rows()); diff != "" {
		g.t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestAGlobalTableIsLoadedWhenAllThatWasThereIsRead(t *testing.T) {
	g := newGlobals(t, 3)
	g.broker.MaxBatchRecords = 2
	g.write(0, row("a", "1"), row("b", "2"), row("a", "3"), row("c", "4"), row("b", ""))
	g.write(2, row("d", "5"), row("e", "6"), row("missing", ""))
	g.begin(3)
	g.write(1, row("late", "7")) // after it has begun
	steps := 0
	for ; !g.Loaded(); steps++ {
		if s := g.Status()[0]; !s.Loading || s.Remaining == 0 || s.Remaining > 8 {
			t.Fatalf("after %d steps: %+v", steps, s)
		}
		if _, err := g.Step(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	if s := g.Status()[0]; s.Loading || s.Remaining != 0 || steps < 5 {
		t.Errorf("after %d steps: %+v", steps, s)
	}
	g.expect(map[string]int{"a": 3, "c": 4, "d": 5, "e": 6, "late": 7})
	g.write(1, row("a", "9"), row("c", ""))
	g.expect(map[string]int{"a": 9, "d": 5, "e": 6, "late": 7})
	s := g.Status()[0]
	if s.Rows != 4 || s.Records != 11 || s.Lag != 0 || s.Bytes != 28 {
		t.Errorf("status: %+v", s)
	}
	if !g.Loaded() || g.broker.Unreleased() != 0 {
		t.Errorf("%d batches are held", g.broker.Unreleased())
	}
}

func TestAnEmptyGlobalTableIsLoadedAtOnce(t *testing.T) {
	g := newGlobals(t, 2)
	g.begin(2)
	if !g.Loaded() {
		t.Error("it is not")
	}
	g.expect(map[string]int{})
}

// Aborted transactions leave nothing, and an open one is not waited for.
func TestAGlobalTableHoldsCommittedRecordsOnly(t *testing.T) {
	g := newGlobals(t, 1)
	tp := broker.TopicPartition{Topic: "rows"}
	var producers [3]broker.Producer
	for i := range producers {
		var err error
		if producers[i], err = g.broker.NewProducer(broker.ProducerConfig{TransactionalID: fmt.Sprint(i), TransactionTimeout: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if err := producers[i].Send(t.Context(), tp, []broker.Record{row("k", fmt.Sprint(i)), row(fmt.Sprint("own", i), fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
		if err := producers[i].Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		switch i {
		case 0:
			err = producers[i].Commit(t.Context(), broker.GroupMember{}, nil, nil)
		case 1:
			err = producers[i].Abort(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	g.begin(1)
	g.expect(map[string]int{"k": 0, "own0": 0})
	if !g.Loaded() {
		t.Errorf("not loaded: %+v", g.Status())
	}
	if err := producers[2].Commit(t.Context(), broker.GroupMember{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	g.expect(map[string]int{"k": 2, "own0": 0, "own2": 2})
}

// What retention removes before it is read is no part of the table. When the table is in use, that is an error: a start would
// find another table.
func TestRecordsThatAreRemovedBeforeTheyAreRead(t *testing.T) {
	g := newGlobals(t, 2)
	tp := broker.TopicPartition{Topic: "rows"}
	g.write(0, row("a", "1"), row("b", "2"), row("c", "3"))
	g.begin(2)
	if err := g.broker.DeleteRecords(tp, 2); err != nil {
		t.Fatal(err)
	}
	g.expect(map[string]int{"c": 3})
	if !g.Loaded() || !strings.Contains(g.log.String(), "records were removed while a global table was read") {
		t.Errorf("%+v\n%s", g.Status(), &g.log)
	}
	g.write(0, row("d", "4"), row("e", "5"))
	if err := g.broker.DeleteRecords(tp, 4); err != nil {
		t.Fatal(err)
	}
	err := g.step()
	var out *broker.OffsetOutOfRangeError
	if !errors.As(err, &out) || !strings.HasPrefix(err.Error(), `global table "rows" (engine/globals_test.go:`) {
		t.Errorf("got %v", err)
	}
}

func TestAllRecordsMayBeRemovedWhileAGlobalTableIsLoaded(t *testing.T) {
	g := newGlobals(t, 1)
	g.write(0, row("a", "1"), row("b", "2"))
	g.begin(1)
	if err := g.broker.DeleteRecords(broker.TopicPartition{Topic: "rows"}, 2); err != nil {
		t.Fatal(err)
	}
	g.expect(map[string]int{})
	if !g.Loaded() {
		t.Errorf("not loaded: %+v", g.Status())
	}
}

// A topic that goes away while the table is loaded is an error. Later the table stays as it is.
func TestATopicOfAGlobalTableThatIsDeleted(t *testing.T) {
	g := newGlobals(t, 1)
	g.write(0, row("a", "1"))
	g.begin(1)
	g.broker.DeleteTopic("rows")
	if err := g.step(); err != nil || g.Loaded() {
		t.Fatalf("at once: %v, loaded %v", err, g.Loaded())
	}
	g.clock.Advance(time.Second)
	if err := g.step(); !errors.Is(err, weir.ErrUnknownTopic) {
		t.Fatalf("got %v", err)
	}

	g = newGlobals(t, 1)
	g.write(0, row("a", "1"))
	g.begin(1)
	g.expect(map[string]int{"a": 1})
	g.broker.DeleteTopic("rows")
	for range 3 {
		g.clock.Advance(time.Minute)
		g.expect(map[string]int{"a": 1})
	}
	if n := strings.Count(g.log.String(), "does not exist any more"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, &g.log)
	}
}

func TestATopicOfAGlobalTableThatIsMadeAnewIsAnError(t *testing.T) {
	g := newGlobals(t, 1)
	g.write(0, row("a", "1"), row("b", "2"))
	g.begin(1)
	g.expect(map[string]int{"a": 1, "b": 2})
	g.broker.DeleteTopic("rows")
	if err := g.broker.CreateTopic(broker.TopicSpec{Name: "rows", Partitions: 1, Replication: -1}); err != nil {
		t.Fatal(err)
	}
	g.write(0, row("a", "3"), row("b", "4"), row("c", "5")) // more than were read
	if err := g.step(); err == nil || !strings.Contains(err.Error(), "made anew") || !strings.Contains(err.Error(), "start again") {
		t.Errorf("got %v", err)
	}
}

// The table was begun with one partition, and the topic has three.
func TestNewPartitionsOfAGlobalTableAreFoundWithinAMinute(t *testing.T) {
	g := newGlobals(t, 3)
	g.write(0, row("a", "1"))
	g.write(2, row("b", "2"))
	g.begin(1)
	g.clock.Advance(59 * time.Second)
	g.expect(map[string]int{"a": 1})
	g.clock.Advance(time.Second)
	if err := g.step(); err != nil {
		t.Fatal(err)
	}
	g.write(1, row("c", "3"))
	g.expect(map[string]int{"a": 1, "b": 2, "c": 3})
}

func TestRecordsOfAGlobalTableThatDoNotDecode(t *testing.T) {
	g := newGlobals(t, 1)
	g.write(0, row("a", "1"), row("b", "{"), row("a", "oops"), broker.Record{Value: []byte("5")}, row("c", "3"))
	g.begin(1)
	err := g.step()
	var failed *weir.ProcessingError
	if !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), "process rows[0] at offset 1: globaltable rows (engine/globals_test.go:") ||
		!strings.Contains(err.Error(), "decode value") {
		t.Errorf("got %v", err)
	}

	skipping := newGlobals(t, 1)
	skipping.action = weir.Skip
	skipping.write(0, row("a", "1"), row("b", "{"), row("a", "oops"), broker.Record{Value: []byte("5")}, row("c", "3"))
	skipping.begin(1)
	skipping.expect(map[string]int{"a": 1, "c": 3})
	if s := skipping.Status()[0]; s.Skipped != 2 || s.NullKeys != 1 || s.Records != 5 || s.Loading {
		t.Errorf("status: %+v", s)
	}
	if n := strings.Count(skipping.log.String(), "record skipped"); n != 2 {
		t.Errorf("%d skipped records are in the log", n)
	}
}

// oddCodec passes messages over, panics, and splits messages.
type oddCodec struct{ codec.Codec[int] }

func (c oddCodec) Split(dst []int, ctx *codec.Context, data []byte) ([]int, error) {
	switch string(data) {
	case "ignore":
		return dst, fmt.Errorf("of another kind: %w", codec.ErrIgnore)
	case "panic":
		panic("at the codec")
	case "unavailable":
		return dst, codec.ErrUnavailable
	}
	for _, part := range bytes.Fields(data) {
		v, err := c.Decode(ctx, part)
		if err != nil {
			return dst, err
		}
		dst = append(dst, v)
	}
	return dst, nil
}

// The last of the values of a message is the row, and what a codec passes over is none.
func TestGlobalTablesWithCodecsThatDoMore(t *testing.T) {
	g := newGlobals(t, 1)
	g.action = weir.Skip
	g.write(0, row("a", "1 2 3"), row("b", "4"), row("b", "ignore"), row("a", "panic"), row("c", "5"))
	g.begin(1)
	g.expect(map[string]int{"a": 3, "b": 4, "c": 5})
	if s := g.Status()[0]; s.Ignored != 1 || s.Skipped != 1 {
		t.Errorf("status: %+v", s)
	}
	if !strings.Contains(g.log.String(), "offset 3: globaltable rows") || !strings.Contains(g.log.String(), "panic: at the codec") {
		t.Errorf("log:\n%s", &g.log)
	}
	g.write(0, row("a", "unavailable"))
	if err := g.step(); !errors.Is(err, codec.ErrUnavailable) {
		t.Errorf("no policy may skip a record that is not to blame: %v", err)
	}
}
