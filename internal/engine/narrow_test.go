package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// shopsSeen keeps all shops that a customer has been to, so that a long name makes a large state.
var shopsSeen = store.NewCell[string]("shops")

const shopsChangelog = "changelog__g--orders--shops"

// refusedCase is a way in which the cluster refuses what a record makes.
type refusedCase struct {
	name string
	// configure makes the cluster refuse. It is called when all topics are there.
	configure func(*cluster) error
	// bad appends an order that makes what is refused.
	bad func(*cluster)
	// wants are parts of the error, beside the place of the input record.
	wants []string
	// produce and state say which kind of error it is.
	produce, state bool
	// stateless says that the topology has no store: those take no records without a key.
	stateless bool
}

func refusedCases() []refusedCase {
	long := strings.Repeat("x", 2000)
	append1 := func(c *cluster, key []byte, o order, millis int64) {
		value, err := json.Marshal(o)
		if err == nil {
			err = c.broker.Append(broker.TopicPartition{Topic: orders.Name()}, broker.Record{Key: key, Value: value, Millis: millis})
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
	longShop := func(c *cluster) { append1(c, []byte("customer long"), order{Shop: long}, begin.UnixMilli()) }
	configure := func(topic, setting, value string) func(*cluster) error {
		return func(c *cluster) error { return c.broker.Configure(topic, setting, value) }
	}
	return []refusedCase{
		{
			name: "a time that the topic does not take", configure: configure("totals", "message.timestamp.after.max.ms", "60000"),
			bad: func(c *cluster) {
				append1(c, []byte("customer 0"), order{Shop: "north"}, begin.Add(48*time.Hour).UnixMilli())
			},
			wants: []string{"sink totals", "produce to totals[0]", "the cluster refuses the record", "timestamp"}, produce: true,
		},
		{
			name: "no key in a topic that was compacted meanwhile", configure: configure("totals", "cleanup.policy", "compact"),
			bad:   func(c *cluster) { append1(c, nil, order{Shop: "north"}, begin.UnixMilli()) },
			wants: []string{"sink totals", "produce to totals[0]", "has no key"}, produce: true, stateless: true,
		},
		{
			name: "a record that is too large", configure: configure("totals", "max.message.bytes", "1000"), bad: longShop,
			wants: []string{"sink totals", "produce to totals[0]", "max.message.bytes"}, produce: true,
		},
		{
			name: "a state that the cluster finds too large", configure: configure(shopsChangelog, "max.message.bytes", "1000"), bad: longShop,
			wants: []string{"mapstate shops", `store "shops": the state of key "customer long"`, "2015 bytes", "max.message.bytes"}, state: true,
		},
		{
			name: "a state that is larger than the changelog takes",
			configure: func(c *cluster) error {
				c.topics.Limits[shopsChangelog] = provision.Limits{MaxMessageBytes: 1000, Internal: true}
				return nil
			},
			bad:   longShop,
			wants: []string{"mapstate shops", `store "shops": the state of key "customer long"`, "2015 bytes", "the limit is 1000", "Config.Topics.MaxRecordBytes"}, state: true,
		},
	}
}

// refusing is a topology with state and output, a cluster that refuses, and the offsets of its input in the order of their being
// processed.
func refusing(t *testing.T, exactlyOnce bool, rc refusedCase, seen *[]int64) *cluster {
	topology := stream.NewTopology()
	if rc.stateless {
		topology.From(orders).MapRecord(func(_ context.Context, r weir.Record[string, order]) (totalLine, error) {
			*seen = append(*seen, r.Origin.Offset)
			return totalLine{Shop: r.Value.Shop, Offset: r.Origin.Offset}, nil
		}).To(totals)
	} else {
		topology.From(orders).MapStateRecord(shopsSeen, func(_ context.Context, c *store.Cell[string], r weir.Record[string, order]) (totalLine, error) {
			*seen = append(*seen, r.Origin.Offset)
			c.Set(r.Value.Shop)
			shop := r.Value.Shop
			if rc.state {
				shop = "short"
			}
			return totalLine{Shop: shop, Offset: r.Origin.Offset}, nil
		}).To(totals)
	}
	c := newCluster(t, topology, 1)
	c.config.ExactlyOnce = exactlyOnce
	c.config.CheckpointInterval = time.Hour
	if err := rc.configure(c); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) writtenOffsets() (offsets []int64) {
	for _, r := range c.broker.Read(broker.TopicPartition{Topic: totals.Name()}, 0) {
		var line totalLine
		if err := json.Unmarshal(r.Value, &line); err != nil {
			c.t.Fatal(err)
		}
		offsets = append(offsets, line.Offset)
	}
	return offsets
}

// eachRefusal runs a test for all cases and both guarantees.
func eachRefusal(t *testing.T, test func(t *testing.T, exactlyOnce bool, rc refusedCase)) {
	for _, rc := range refusedCases() {
		for _, exactlyOnce := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, exactly once %v", rc.name, exactlyOnce), func(t *testing.T) { test(t, exactlyOnce, rc) })
		}
	}
}

func checkRefusal(t *testing.T, err *weir.ProcessingError, rc refusedCase, offset int64) {
	t.Helper()
	if err.Topic != "orders" || err.Partition != 0 || err.Offset != offset {
		t.Errorf("the error is about %s[%d] at offset %d, want offset %d", err.Topic, err.Partition, err.Offset, offset)
	}
	for _, want := range append(rc.wants, "narrow_test.go:") {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	var produce *weir.ProduceError
	var state *weir.StateError
	if errors.As(err.Err, &state) != rc.state || !rc.state && errors.As(err.Err, &produce) != rc.produce {
		t.Errorf("error of type %T: %v", err.Err, err)
	}
	if errors.Is(err, broker.ErrAborted) {
		t.Errorf("the error is about a transaction: %v", err)
	}
}

func TestARecordThatTheClusterRefusesCanBeSkipped(t *testing.T) {
	eachRefusal(t, func(t *testing.T, exactlyOnce bool, rc refusedCase) {
		var seen []int64
		c := refusing(t, exactlyOnce, rc, &seen)
		var failed []int64
		c.config.Errors.Decide = func(err *weir.FailedRecord) weir.ErrorAction {
			failed = append(failed, err.Offset)
			checkRefusal(t, err.ProcessingError, rc, err.Offset)
			return weir.Skip
		}
		const records = 100
		bad := []int64{0, 37, 38, 99}
		for i := range int64(records) {
			if slices.Contains(bad, i) {
				rc.bad(c)
			} else {
				c.order("north", 1, begin.UnixMilli())
			}
		}
		p := c.mustStart(memoryDisk{})
		p.mustRun()
		p.mustClose()
		if diff := gocmp.Diff(bad, failed); diff != "" {
			t.Errorf("failed (-want +got):\n%s", diff)
		}
		var want []int64
		for i := range int64(records) {
			if !slices.Contains(bad, i) {
				want = append(want, i)
			}
		}
		got := c.writtenOffsets()
		if !exactlyOnce {
			slices.Sort(got)
			got = slices.Compact(got)
		}
		if rc.produce || exactlyOnce { // at least once, output that is not to blame may stay of a record that is skipped
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
		}
		if at := c.broker.Committed(groupName)[broker.TopicPartition{Topic: "orders"}]; at != records {
			t.Errorf("offset %d is committed, want %d", at, records)
		}
		for _, r := range c.broker.Read(broker.TopicPartition{Topic: shopsChangelog}, 0) {
			if string(r.Key) == "customer long" && r.Value != nil && exactlyOnce {
				t.Errorf("the state of a skipped record was kept: %d bytes", len(r.Value))
			}
		}
	})
}

// Without a policy the error names the record, which is tried a few times at most: to find it.
func TestARecordThatTheClusterRefusesEndsTheRunWithItsName(t *testing.T) {
	eachRefusal(t, func(t *testing.T, exactlyOnce bool, rc refusedCase) {
		var seen []int64
		c := refusing(t, exactlyOnce, rc, &seen)
		const before, after = 50, 50
		for range before {
			c.order("north", 1, begin.UnixMilli())
		}
		rc.bad(c)
		for range after {
			c.order("north", 1, begin.UnixMilli())
		}
		p, err := c.start(memoryDisk{}, "static")
		if err == nil {
			err = p.run()
		}
		if err == nil {
			err = p.close()
		}
		failure, ok := errors.AsType[*weir.ProcessingError](err)
		if !ok {
			t.Fatalf("got %v", err)
		}
		checkRefusal(t, failure, rc, before)
		tries := 0
		for _, offset := range seen {
			if offset == before {
				tries++
			}
		}
		if tries < 1 || tries > 10 {
			t.Errorf("the record was tried %d times", tries)
		}
		if at := c.broker.Committed(groupName)[broker.TopicPartition{Topic: "orders"}]; at > before {
			t.Errorf("offset %d is committed", at)
		}
	})
}

// What was checked before it is sent costs no search.
func TestARecordWithoutAKeyIsNotSentToACompactedTopic(t *testing.T) {
	rc := refusedCases()[1]
	var seen []int64
	c := refusing(t, false, rc, &seen)
	c.topics.Limits["totals"] = provision.Limits{Compacted: true}
	var failed []string
	c.config.Errors.Decide = func(err *weir.FailedRecord) weir.ErrorAction {
		failed = append(failed, err.Error())
		return weir.Skip
	}
	c.order("north", 1, begin.UnixMilli())
	rc.bad(c)
	c.order("north", 1, begin.UnixMilli())
	p := c.mustStart(memoryDisk{})
	p.mustClose()
	if diff := gocmp.Diff([]int64{0, 1, 2}, seen); diff != "" {
		t.Errorf("processed (-want +got):\n%s", diff)
	}
	if len(failed) != 1 || !strings.Contains(failed[0], "produce to totals[0]: the record has no key, and the topic is compacted") {
		t.Errorf("got %q", failed)
	}
	if diff := gocmp.Diff([]int64{0, 2}, c.writtenOffsets()); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

// Processed records of repartition topics are deleted, and no others.
func TestRepartitionTopicsArePurgedBehindTheCommittedOffsets(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %v", exactlyOnce), func(t *testing.T) {
			c := newCluster(t, pipeline(), 1)
			c.config.ExactlyOnce = exactlyOnce
			c.config.PurgeInterval = 10 * time.Second
			c.config.Purge = func(before map[broker.TopicPartition]int64) {
				if err := c.broker.PurgeRecords(t.Context(), before); err != nil {
					t.Error(err)
				}
			}
			tp := broker.TopicPartition{Topic: repartition}
			start := func() int64 {
				offsets, err := c.broker.Offsets(t.Context(), broker.Earliest, tp, broker.TopicPartition{Topic: "orders"})
				if err != nil {
					t.Fatal(err)
				}
				if offsets[broker.TopicPartition{Topic: "orders"}] != 0 {
					t.Fatal("a topic of the user was purged")
				}
				return offsets[tp]
			}
			p := c.mustStart(memoryDisk{})
			for i := range int64(20) {
				c.order("north", 1, i)
			}
			p.mustRun()
			if got := start(); got != 0 {
				t.Fatalf("purged up to %d before the interval is over", got)
			}
			for range 3 {
				c.clock.Advance(6 * time.Second)
				p.mustRun()
				if got, committed := start(), c.broker.Committed(groupName)[tp]; got > committed {
					t.Fatalf("purged up to %d, and %d is committed", got, committed)
				}
			}
			if got := start(); got < 20 {
				t.Errorf("purged up to %d, of 20 processed records", got)
			}
			c.order("north", 1, 30)
			p.mustRun()
			p.mustClose()
			last := c.broker.Read(broker.TopicPartition{Topic: "totals"}, 0)
			if !strings.Contains(string(last[len(last)-1].Value), `"Total":21`) {
				t.Errorf("got %s", last[len(last)-1].Value)
			}
		})
	}
}
