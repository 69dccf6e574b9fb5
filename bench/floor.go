package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/IBM/sarama"
	"github.com/bytedance/sonic"
)

// floor has the common parts of the bare scenarios: a client for questions, and the end of the input. Consumers and
// producers have connections of their own: on a shared one, produce requests wait behind a fetch that waits for records.
type floor struct {
	job    *job
	client sarama.Client
	ends   []int64 // of the input, by partition
}

// floorConfig has the settings that Weir uses: idempotent, acknowledged by all replicas, not compressed.
func floorConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	c.Producer.Idempotent = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Net.MaxOpenRequests = 1 // the client insists
	return c
}

func openFloor(j *job) (*floor, error) {
	client, err := sarama.NewClient(j.brokers, floorConfig())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	f := &floor{job: j, client: client}
	if f.ends, err = f.topicEnds(j.input); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return f, nil
}

func (f *floor) close() { f.client.Close() }

func (f *floor) topicEnds(topic string) ([]int64, error) {
	partitions, err := f.client.Partitions(topic)
	if err != nil {
		return nil, fmt.Errorf("topic %q: %w", topic, err)
	}
	ends := make([]int64, len(partitions))
	for _, p := range partitions {
		if ends[p], err = f.client.GetOffset(topic, p, sarama.OffsetNewest); err != nil {
			return nil, fmt.Errorf("end of topic %q: %w", topic, err)
		}
	}
	return ends, nil
}

func (f *floor) createTopic(name string) error {
	admin, err := sarama.NewClusterAdminFromClient(f.client)
	if err != nil {
		return err
	}
	detail := &sarama.TopicDetail{NumPartitions: f.job.partitions, ReplicationFactor: -1, ConfigEntries: keepForever}
	if err := admin.CreateTopic(name, detail, false); err != nil {
		return fmt.Errorf("create topic %q: %w", name, err)
	}
	return f.client.RefreshMetadata(name)
}

// each runs f for every partition, in a goroutine each, and returns their errors.
func each(partitions int, f func(partition int32) error) error {
	errs := make([]error, partitions)
	var wait sync.WaitGroup
	for p := range partitions {
		wait.Go(func() { errs[p] = f(int32(p)) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// read calls process for every record of the input, in a goroutine per partition.
func (f *floor) read(process func(*sarama.ConsumerMessage) error) error {
	consumer, err := sarama.NewConsumer(f.job.brokers, floorConfig())
	if err != nil {
		return err
	}
	// It is not closed: that waits for a fetch that waits for records, half a second of idling.
	return each(len(f.ends), func(p int32) error {
		if f.ends[p] == 0 {
			return nil
		}
		partition, err := consumer.ConsumePartition(f.job.input, p, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		for message := range partition.Messages() {
			f.job.watch.start()
			if err := process(message); err != nil {
				return err
			}
			if message.Offset+1 >= f.ends[p] {
				return nil
			}
		}
		return errors.New("the client has stopped")
	})
}

// records returns the number of records of the input.
func (f *floor) records() (n int64) {
	for _, end := range f.ends {
		n += end
	}
	return n
}

// floorConsume reads and decodes.
func floorConsume(_ context.Context, j *job) (measurement, error) {
	f, err := openFloor(j)
	if err != nil {
		return measurement{}, err
	}
	defer f.close()
	totals := make([]struct {
		digest
		_ [48]byte // each partition has a cache line of its own
	}, len(f.ends))
	err = f.read(func(message *sarama.ConsumerMessage) error {
		var flight Flight
		if err := sonic.Unmarshal(message.Value, &flight); err != nil {
			return err
		}
		totals[message.Partition].addFlight(flight)
		return nil
	})
	if err != nil {
		return measurement{}, err
	}
	m := j.watch.stop()
	for i := range totals {
		m.Read.add(totals[i].digest)
	}
	m.Records = m.Read.Records
	return m, nil
}

// output is an asynchronous producer that collects its errors.
type output struct {
	sarama.AsyncProducer
	done chan error
}

func (f *floor) newOutput() (*output, error) {
	producer, err := sarama.NewAsyncProducer(f.job.brokers, floorConfig())
	if err != nil {
		return nil, err
	}
	o := &output{producer, make(chan error, 1)}
	go func() {
		var first error
		for err := range producer.Errors() {
			if first == nil {
				first = err
			}
		}
		o.done <- first
	}()
	return o, nil
}

// send encodes a value and hands it to the producer.
func (o *output) send(message *sarama.ProducerMessage, value any) error {
	encoded, err := sonic.Marshal(value)
	if err != nil {
		return err
	}
	message.Value = sarama.ByteEncoder(encoded)
	o.Input() <- message
	return nil
}

// finish waits until everything is acknowledged.
func (o *output) finish() error {
	o.AsyncClose()
	return <-o.done
}

// floorStateless reads, decodes, filters, maps, encodes and writes.
func floorStateless(_ context.Context, j *job) (measurement, error) {
	f, err := openFloor(j)
	if err != nil {
		return measurement{}, err
	}
	defer f.close()
	if err := f.createTopic(j.name); err != nil {
		return measurement{}, err
	}
	out, err := f.newOutput()
	if err != nil {
		return measurement{}, err
	}
	err = f.read(func(message *sarama.ConsumerMessage) error {
		var flight Flight
		if err := sonic.Unmarshal(message.Value, &flight); err != nil {
			return err
		}
		if !isLate(flight) {
			return nil
		}
		return out.send(&sarama.ProducerMessage{
			Topic: j.name, Key: sarama.ByteEncoder(message.Key), Timestamp: message.Timestamp,
		}, toLate(flight))
	})
	if err := errors.Join(err, out.finish()); err != nil {
		return measurement{}, err
	}
	m := j.watch.stop()
	m.Records = f.records()
	return m, nil
}
