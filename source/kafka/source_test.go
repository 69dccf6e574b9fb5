package kafka_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/source"
	sourcekafka "github.com/weirstreams/weir/source/kafka"
)

func record(key, value string, millis int64, headers ...weir.Header) broker.Record {
	return broker.Record{Key: []byte(key), Value: []byte(value), Millis: millis, Headers: headers}
}

func TestRecordsAreCopiedAsTheyAreToTheirPartitions(t *testing.T) {
	kafkatest.Parallel(t)
	there, here := newCluster(t), newCluster(t)
	now := brokertest.Now
	header := weir.Header{Key: "h", Value: []byte("1")}
	for name, c := range map[string]struct {
		options
		want []entry
	}{
		"by default": {options{}, []entry{
			{0, "k", "v", now - 5, []weir.Header{header}},
			{0, "gone", "null", now - 4, nil},
			{2, "k", "", now - 3, nil},
			{2, "null", "w", now - 2, nil},
		}},
		"without headers, with those of the origin": {options{DropHeaders: true, OriginHeaders: true}, []entry{
			{0, "k", "v", now - 5, origin("0", "0")},
			{0, "gone", "null", now - 4, origin("0", "1")},
			{2, "k", "", now - 3, origin("2", "0")},
			{2, "null", "w", now - 2, origin("2", "1")},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := there.Topic(t, "there", 3), here.Topic(t, "here", 4)
			there.send(t, from, 0, record("k", "v", now-5, header), broker.Record{Key: []byte("gone"), Millis: now - 4})
			there.send(t, from, 2, record("k", "", now-3), broker.Record{Value: []byte("w"), Millis: now - 2})
			o := c.options
			o.Connection, o.StopAtEnd = there.connection(), true
			app := here.app(t, here.Name("copy"), t.TempDir(), sourcekafka.New(raw(from), o), to, source.Options{})
			if err := app.RunUntil(brokertest.Within(t), runtime.Until{Sources: true}); err != nil {
				t.Fatal(err)
			}
			for i := range c.want {
				for j := range c.want[i].Headers {
					if c.want[i].Headers[j].Key == sourcekafka.HeaderTopic {
						c.want[i].Headers[j].Value = []byte(from)
					}
				}
			}
			if diff := cmp.Diff(c.want, here.read(t, to)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func origin(partition, offset string) []weir.Header {
	return []weir.Header{
		{Key: sourcekafka.HeaderTopic}, {Key: sourcekafka.HeaderPartition, Value: []byte(partition)}, {Key: sourcekafka.HeaderOffset, Value: []byte(offset)},
	}
}

func TestRecordsGoToThePartitionsOfTheirKeysOnRequest(t *testing.T) {
	kafkatest.Parallel(t)
	k := newCluster(t)
	from, to := k.Topic(t, "from", 4), k.Topic(t, "to", 1)
	for p := range int32(4) {
		k.send(t, from, p, record("k", fmt.Sprint(p), brokertest.Now-60_000))
	}
	o := options{Connection: k.connection(), StopAtEnd: true, ByKey: true, ArrivalTime: true}
	began := time.Now().UnixMilli()
	app := k.app(t, k.Name("copy"), t.TempDir(), sourcekafka.New(raw(from), o), to, source.Options{})
	if err := app.RunUntil(brokertest.Within(t), runtime.Until{Sources: true}); err != nil {
		t.Fatal(err)
	}
	entries := k.read(t, to)
	got := values(entries)
	slices.Sort(got)
	if diff := cmp.Diff([]string{"0", "1", "2", "3"}, got); diff != "" {
		t.Error(diff)
	}
	for _, e := range entries {
		if e.Millis < began {
			t.Errorf("the record has the time %d", e.Millis)
		}
	}
}

func TestACopyGoesOnBehindItsPositionAndFindsNewPartitions(t *testing.T) {
	kafkatest.Parallel(t)
	there, here := newCluster(t), newCluster(t)
	from, to := there.Topic(t, "there", 1), here.Topic(t, "here", 2)
	group, dir := here.Name("copy"), t.TempDir()
	there.send(t, from, 0, record("k", "before", brokertest.Now))
	start := func() *copying {
		s := sourcekafka.New(raw(from), options{Connection: there.connection(), Start: sourcekafka.Latest()})
		return run(t, here.app(t, group, dir, s, to, source.Options{LookInterval: 50 * time.Millisecond}))
	}
	first := start()
	brokertest.Await(t, "the partition has a position", func() bool { return strings.Contains(positions(first.app)["0"], `"offset":1`) })
	there.send(t, from, 0, record("k", "a", brokertest.Now))
	there.Grow(t, from, 2)
	there.producer = brokertest.NewProducer(t, there.client, broker.ProducerConfig{}) // the other knows the topic with one partition
	there.send(t, from, 1, record("k", "b", brokertest.Now))                          // maybe before the source has found the partition
	brokertest.Await(t, "the records are copied", func() bool { return len(here.read(t, to)) == 2 })
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	there.send(t, from, 0, record("k", "c", brokertest.Now)) // while nobody reads
	there.send(t, from, 1, record("k", "d", brokertest.Now))
	second := start()
	brokertest.Await(t, "the rest is copied", func() bool { return len(here.read(t, to)) == 4 })
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "c", "b", "d"}, values(here.read(t, to))); diff != "" {
		t.Error(diff)
	}
}

func TestTheTailThatHoldsNoRecordsIsCommittedAndOnlyCommittedRecordsAreCopied(t *testing.T) {
	kafkatest.Parallel(t)
	there, here := newCluster(t), newCluster(t)
	from, to := there.Topic(t, "there", 1), here.Topic(t, "here", 1)
	p := brokertest.NewProducer(t, there.client, broker.ProducerConfig{TransactionalID: there.Name("tx")})
	ctx := brokertest.Within(t)
	c := run(t, here.app(t, here.Name("copy"), t.TempDir(), sourcekafka.New(raw(from), options{Connection: there.connection()}), to, source.Options{}))
	for _, transaction := range []struct {
		end    func() error
		offset string // behind the record and the marker
	}{
		{func() error { return p.Commit(ctx, broker.GroupMember{}, nil, nil) }, `"offset":2`},
		{func() error { return errors.Join(p.Flush(ctx), p.Abort(ctx)) }, `"offset":4`},
	} {
		if err := p.Send(ctx, broker.TopicPartition{Topic: from}, []broker.Record{record("k", "v", brokertest.Now)}); err != nil {
			t.Fatal(err)
		}
		if err := transaction.end(); err != nil {
			t.Fatal(err)
		}
		brokertest.Await(t, "the position is behind the marker", func() bool { return strings.Contains(positions(c.app)["0"], transaction.offset) })
	}
	for _, slot := range c.app.Status().Sources {
		for _, split := range slot.Splits {
			if split.Behind != 0 {
				t.Errorf("the split is %d records behind", split.Behind)
			}
		}
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"v"}, values(here.read(t, to))); diff != "" {
		t.Error(diff)
	}
}

func TestACopyBeginsAtATime(t *testing.T) {
	kafkatest.Parallel(t)
	k := newCluster(t)
	from, to := k.Topic(t, "from", 2), k.Topic(t, "to", 2)
	at := brokertest.Now - 60_000
	k.send(t, from, 0, record("k", "old", at-1000), record("k", "new", at), record("k", "newer", at+1000))
	k.send(t, from, 1, record("k", "old", at-1000)) // nothing from that time on
	o := options{Connection: k.connection(), Start: sourcekafka.At(time.UnixMilli(at)), StopAtEnd: true}
	app := k.app(t, k.Name("copy"), t.TempDir(), sourcekafka.New(raw(from), o), to, source.Options{})
	if err := app.RunUntil(brokertest.Within(t), runtime.Until{Sources: true}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"new", "newer"}, values(k.read(t, to))); diff != "" {
		t.Error(diff)
	}
}

func TestTopicsThatDoNotFitEndTheRunWithARemedy(t *testing.T) {
	kafkatest.Parallel(t)
	k := newCluster(t)
	from, narrow := k.Topic(t, "from", 3), k.Topic(t, "narrow", 2)
	for name, c := range map[string]struct {
		from, to string
		want     error
		text     string
	}{
		"no topic to read":    {k.Name("missing"), narrow, weir.ErrUnknownTopic, "create the topic there"},
		"no topic to write":   {from, k.Name("missing"), weir.ErrTopicSettings, "missing-"},
		"too few partitions":  {from, narrow, weir.ErrTopicSettings, "give the topic 3 partitions"},
		"no name":             {"", narrow, weir.ErrConfiguration, "no name"},
		"no group of brokers": {from, narrow, weir.ErrConfiguration, "Options.Connection.Brokers"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options{Connection: k.connection()}
			if name == "no group of brokers" {
				o.Connection.Brokers = nil
			}
			err := k.app(t, k.Name("copy"), t.TempDir(), sourcekafka.New(raw(c.from), o), c.to, source.Options{}).Run(brokertest.Within(t))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("the error is: %v", err)
			}
		})
	}
}

func TestRecordsThatAreGoneEndTheRunOrAreSkipped(t *testing.T) {
	kafkatest.Parallel(t)
	there, here := newCluster(t), newCluster(t)
	for _, lost := range []sourcekafka.Lost{sourcekafka.LostFails, sourcekafka.LostSkips} {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			from, to := there.Topic(t, "there", 1), here.Topic(t, "here", 1)
			group, dir := here.Name("copy"), t.TempDir()
			ctx := brokertest.Within(t)
			start := func() *runtime.App {
				return here.app(t, group, dir, sourcekafka.New(raw(from), options{Connection: there.connection(), OnLost: lost}), to, source.Options{})
			}
			there.send(t, from, 0, record("k", "a", brokertest.Now))
			first := run(t, start())
			brokertest.Await(t, "the record is copied", func() bool { return len(here.read(t, to)) == 1 })
			if err := first.stop(); err != nil {
				t.Fatal(err)
			}
			there.send(t, from, 0, record("k", "b", brokertest.Now), record("k", "c", brokertest.Now))
			if err := there.client.PurgeRecords(ctx, map[broker.TopicPartition]int64{{Topic: from}: 2}); err != nil {
				t.Fatal(err)
			}
			if lost == sourcekafka.LostFails {
				err := start().Run(ctx)
				if failed, ok := errors.AsType[*source.Error](err); !ok || failed.Attempts != 1 || !errors.Is(err, weir.ErrLostInput) {
					t.Errorf("the error is: %v", err)
				}
				return
			}
			second := run(t, start())
			brokertest.Await(t, "the rest is copied", func() bool { return len(here.read(t, to)) == 2 })
			if err := second.stop(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"a", "c"}, values(here.read(t, to))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
