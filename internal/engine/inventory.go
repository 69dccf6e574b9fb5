package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
)

// The inventory of a group is kept twice. An internal topic of one partition, compacted, has the whole of it: it outlives the
// disks, is there before any task is assigned, and is one for all members. Topic settings cannot hold it, as Kafka refuses
// settings that it does not know, and a changelog cannot either, as an inventory spans all of them. Each database has the
// formats of its stores as well, for the case that the topic is lost.

// inventoryKey is the key of the inventory in its topic.
var inventoryKey = []byte("inventory")

// inventoryWait is how long a read of the topic waits for records before it looks at the end again.
const inventoryWait = time.Second

// ReadInventory returns the last inventory in a topic, or nil if there is none.
func ReadInventory(ctx context.Context, cluster broker.Cluster, topic string) (text []byte, err error) {
	known, err := cluster.Topics(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("look up topic %q: %w", topic, err)
	}
	if _, ok := known[topic]; !ok {
		return nil, nil
	}
	tp := broker.TopicPartition{Topic: topic}
	first, err := cluster.Offsets(ctx, broker.Earliest, tp)
	if err != nil {
		return nil, fmt.Errorf("read topic %q: %w", topic, err)
	}
	end, err := cluster.Offsets(ctx, broker.End, tp)
	if err != nil {
		return nil, fmt.Errorf("read topic %q: %w", topic, err)
	}
	if first[tp] >= end[tp] {
		return nil, nil
	}
	fetcher, err := cluster.NewFetcher(broker.FetcherConfig{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = fetcher.Close() }() // nothing was written
	fetcher.Start(tp, first[tp])
	for next := first[tp]; next < end[tp]; {
		batch, err := fetcher.Poll(ctx, inventoryWait)
		if err != nil {
			return nil, fmt.Errorf("read topic %q: %w", topic, err)
		}
		if batch == nil {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("read topic %q: %w", topic, context.Cause(ctx))
			}
			continue
		}
		for _, r := range batch.Records {
			if bytes.Equal(r.Key, inventoryKey) {
				text = bytes.Clone(r.Value)
			}
		}
		next = batch.NextOffset
		batch.Release()
	}
	return text, nil
}

// WriteInventory makes the topic, unless it exists, and appends an inventory.
func WriteInventory(ctx context.Context, cluster broker.Cluster, topic string, replication int16, text []byte, now time.Time) error {
	err := cluster.CreateTopics(ctx, broker.TopicSpec{
		Name: topic, Partitions: 1, Replication: replication, Config: map[string]string{"cleanup.policy": "compact"},
	})
	if err != nil {
		return fmt.Errorf("create topic %q: %w", topic, err)
	}
	producer, err := cluster.NewProducer(broker.ProducerConfig{})
	if err != nil {
		return err
	}
	defer func() { _ = producer.Close() }() // everything is acknowledged, or there is an error
	record := broker.Record{Key: inventoryKey, Value: text, Millis: now.UnixMilli()}
	if err := producer.Send(ctx, broker.TopicPartition{Topic: topic}, []broker.Record{record}); err != nil {
		return fmt.Errorf("write topic %q: %w", topic, err)
	}
	if err := producer.Flush(ctx); err != nil {
		return fmt.Errorf("write topic %q: %w", topic, err)
	}
	return nil
}

// StoreFormat names the operator, types and codecs by which the rows of a store in a database were written.
type StoreFormat struct {
	Operator string `json:"operator"`
	Key      string `json:"key,omitempty"`
	State    string `json:"state,omitempty"`
	Meaning  string `json:"meaning,omitempty"`
}

func formatOf(s graph.Store) StoreFormat {
	f := s.Node.Formats[s.Name]
	return StoreFormat{Operator: string(s.Node.Kind), Key: f.Key, State: f.State, Meaning: f.Meaning}
}

// checkFormat compares the format of a store with the one that its rows in the database were written in.
func (w *Worker) checkFormat(d *database, s graph.Store) error {
	now := formatOf(s)
	before, known, err := d.format(s.Name)
	if err != nil {
		return err
	}
	if known && before == now {
		return nil
	}
	if known {
		if w.config.OnReformat == nil {
			return fmt.Errorf("store %q: %w: its rows on disk were written as %+v, and the topology declares %+v", s.Name, weir.ErrDefinitionChanged, before, now)
		}
		if err := w.config.OnReformat(s, before, now); err != nil {
			return err
		}
	}
	return d.setFormat(s.Name, now)
}

// format reads the format of a store. It is not known of one that is new.
func (d *database) format(name string) (f StoreFormat, known bool, err error) {
	text, err := d.backend.Get(nil, metaKey('f', name))
	if errors.Is(err, state.ErrNotFound) {
		return f, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		return f, false, fmt.Errorf("format of store %q: %w", name, err)
	}
	return f, true, nil
}

func (d *database) setFormat(name string, f StoreFormat) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return d.write(func(b state.Batch) error { return b.Set(metaKey('f', name), text) })
}
