package main

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// digest tells whether two runs have done the same, in any order.
type digest struct {
	Records int64  `json:"records"`
	Sum     uint64 `json:"sum"`
}

// add adds a digest of another part of the records.
func (d *digest) add(other digest) {
	d.Records += other.Records
	d.Sum += other.Sum
}

// addFlight adds a flight that a consumer without output has decoded. It is cheap because it is part of the measurement.
func (d *digest) addFlight(f Flight) {
	d.Records++
	d.Sum += uint64(f.Delay)<<32 + uint64(f.Distance)<<16 + uint64(len(f.Origin)+len(f.Destination)+len(f.Date))
}

// addRecord adds a record of an output topic.
func (d *digest) addRecord(r *kgo.Record) {
	d.Records++
	hash := fnv.New64a()
	hash.Write(r.Key)
	hash.Write([]byte{0})
	hash.Write(r.Value)
	d.Sum += hash.Sum64() ^ uint64(r.Timestamp.UnixMilli())
}

// digestTopic reads everything that is in a topic now.
func digestTopic(ctx context.Context, brokers []string, topic string) (digest, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return digest{}, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return digest{}, fmt.Errorf("end of topic %q: %w", topic, err)
	}
	left, begin := int64(0), map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left += o.Offset
			begin[o.Partition] = kgo.NewOffset().AtStart()
		}
	})
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: begin})
	var total digest
	for total.Records < left {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return digest{}, fmt.Errorf("read topic %q: %w", topic, err)
		}
		fetches.EachRecord(total.addRecord)
	}
	return total, nil
}

// deleteTopics deletes all topics with a name that begins with prefix, so that the broker does not run out of memory.
func deleteTopics(ctx context.Context, brokers []string, prefix string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, name := range topics.Names() {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	responses, err := admin.DeleteTopics(ctx, names...)
	if err == nil {
		err = responses.Error()
	}
	return err
}
