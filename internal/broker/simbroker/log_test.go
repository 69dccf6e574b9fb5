package simbroker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
)

// contents writes a partition as "offset:key=value", a tombstone as "offset:key".
func contents(b *simbroker.Broker, tp broker.TopicPartition) []string {
	return written(b.Read(tp, 0))
}

func offsetsOf(t *testing.T, b *simbroker.Broker, tp broker.TopicPartition) (earliest, end int64) {
	t.Helper()
	first, err := b.Offsets(t.Context(), broker.Earliest, tp)
	check(t, err)
	last, err := b.Offsets(t.Context(), broker.End, tp)
	check(t, err)
	return first[tp], last[tp]
}

func TestTheLogKeepsItsOwnCopy(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"orders": 1})
	mine := broker.Record{Key: []byte{}, Value: nil, Headers: []weir.Header{{Key: "h", Value: []byte("x")}, {Key: "h"}}, Millis: 7}
	check(t, b.Append(tp("orders", 0), mine, record("k", "v")))
	mine.Headers[0].Value[0] = '!'

	first := b.Read(tp("orders", 0), 0)
	want := []broker.Record{
		{Key: []byte{}, Headers: []weir.Header{{Key: "h", Value: []byte("x")}, {Key: "h"}}, Millis: 7},
		{Key: []byte("k"), Value: []byte("v"), Offset: 1},
	}
	equal(t, "records", first, want)
	first[1].Value[0] = '!'
	equal(t, "records after the reader changed its own", b.Read(tp("orders", 0), 0), want)
}

func TestLogAppendTimeIsThatOfTheClock(t *testing.T) {
	b, clock := newBroker(t, nil)
	create(t, b, "stamped", 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
	clock.Advance(time.Minute)
	check(t, b.Append(tp("stamped", 0), broker.Record{Millis: 1}))
	equal(t, "timestamp", b.Read(tp("stamped", 0), 0)[0].Millis, start.Add(time.Minute).UnixMilli())
}

func TestCompactKeepsTheLastRecordOfEachKeyAtItsOffset(t *testing.T) {
	b, clock := newBroker(t, nil)
	create(t, b, "state", 1, map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "1000"})
	state := tp("state", 0)
	check(t, b.Append(state, record("a", "1"), record("b", "1"), record("a", "2")))
	check(t, b.Append(state, record("c", "1"), broker.Record{Key: []byte("b")}, broker.Record{Key: []byte("c")}))

	check(t, b.Compact("state"))
	equal(t, "after compaction", contents(b, state), []string{"2:a=2", "4:b", "5:c"})

	clock.Advance(999 * time.Millisecond)
	check(t, b.Compact("state"))
	equal(t, "while tombstones are young", contents(b, state), []string{"2:a=2", "4:b", "5:c"})

	clock.Advance(time.Millisecond)
	check(t, b.Compact("state"))
	equal(t, "when tombstones are old", contents(b, state), []string{"2:a=2"})

	earliest, end := offsetsOf(t, b, state)
	equal(t, "offsets", []int64{earliest, end}, []int64{0, 6})
	check(t, b.Append(state, record("d", "1")))
	equal(t, "what comes later", contents(b, state), []string{"2:a=2", "6:d=1"})
}

func TestOnlyCompactedTopicsAreCompactedAndTheyNeedKeys(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"events": 1})
	if err := b.Compact("events"); err == nil {
		t.Fatal("a topic with cleanup.policy=delete was compacted")
	}
	if err := b.Compact("absent"); !errors.Is(err, weir.ErrUnknownTopic) {
		t.Fatalf("unknown topic: %v", err)
	}
	create(t, b, "state", 1, map[string]string{"cleanup.policy": "compact"})
	if err := b.Append(tp("state", 0), broker.Record{Value: []byte("v")}); err == nil {
		t.Fatal("a record without a key was accepted")
	}
}

func TestDeleteRecordsMovesTheStart(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"events": 1})
	events := tp("events", 0)
	check(t, b.Append(events, record("a", "0"), record("a", "1"), record("a", "2")))
	check(t, b.Append(events, record("a", "3")))
	for _, test := range []struct {
		before   int64
		fails    bool
		earliest int64
		contents []string
	}{
		{before: 1, earliest: 1, contents: []string{"1:a=1", "2:a=2", "3:a=3"}},
		{before: 0, earliest: 1, contents: []string{"1:a=1", "2:a=2", "3:a=3"}},
		{before: 5, fails: true, earliest: 1, contents: []string{"1:a=1", "2:a=2", "3:a=3"}},
		{before: 3, earliest: 3, contents: []string{"3:a=3"}},
		{before: -1, earliest: 4},
	} {
		if err := b.DeleteRecords(events, test.before); (err != nil) != test.fails {
			t.Fatalf("before %d: error is %v", test.before, err)
		}
		earliest, end := offsetsOf(t, b, events)
		equal(t, "offsets", []int64{earliest, end}, []int64{test.earliest, 4})
		equal(t, "records", contents(b, events), test.contents)
	}
	if err := b.DeleteRecords(tp("absent", 0), 0); !errors.Is(err, weir.ErrUnknownTopic) {
		t.Fatalf("unknown topic: %v", err)
	}
}

func TestOffsetsAreFoundByTime(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"orders": 2})
	orders := tp("orders", 0)
	for _, millis := range []int64{10, 30, 20} {
		check(t, b.Append(orders, broker.Record{Key: []byte("k"), Millis: millis}))
	}
	for millis, want := range map[int64]map[broker.TopicPartition]int64{
		5: {orders: 0}, 10: {orders: 0}, 11: {orders: 1}, 30: {orders: 1}, 31: {},
	} {
		got, err := b.OffsetsAtTime(t.Context(), millis, orders, tp("orders", 1))
		check(t, err)
		equal(t, "offsets", got, want)
	}
	check(t, b.DeleteRecords(orders, 2))
	got, err := b.OffsetsAtTime(t.Context(), 5, orders)
	check(t, err)
	equal(t, "offsets after records were deleted", got, map[broker.TopicPartition]int64{orders: 2})
	if _, err := b.OffsetsAtTime(t.Context(), 5, tp("orders", 2)); !errors.Is(err, weir.ErrUnknownTopic) {
		t.Errorf("error is %v", err)
	}
}
