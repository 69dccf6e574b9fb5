package main

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/sarama"
	"github.com/bytedance/sonic"
)

// openHour is the one window of an airport that can be open: without grace, a record of the next one closes it.
type openHour struct {
	start int64 // milliseconds
	acc   Delays
}

// floorWindowed reads, decodes and sends each flight to the partition of its airport, and reads it again there to add it
// to the hour of the airport in a Go map. Nothing is stored, no offset is committed: a crash starts from nothing.
func floorWindowed(_ context.Context, j *job) (measurement, error) {
	f, err := openFloor(j)
	if err != nil {
		return measurement{}, err
	}
	defer f.close()
	repartition := j.name + "-repartition"
	if err := errors.Join(f.createTopic(j.name), f.createTopic(repartition)); err != nil {
		return measurement{}, err
	}
	grouped, err := f.newOutput()
	if err != nil {
		return measurement{}, err
	}
	hours, err := f.newOutput()
	if err != nil {
		return measurement{}, err
	}

	var ends []int64 // of the repartition topic; set when known is closed
	known, failed := make(chan struct{}), make(chan error, 1)
	consumer, err := sarama.NewConsumer(j.brokers, floorConfig())
	if err != nil {
		return measurement{}, err
	}
	go func() {
		failed <- each(int(j.partitions), func(p int32) error {
			return f.aggregate(consumer, repartition, p, known, &ends, hours)
		})
	}()
	err = f.read(func(message *sarama.ConsumerMessage) error {
		var flight Flight
		if err := sonic.Unmarshal(message.Value, &flight); err != nil {
			return err
		}
		if !isComplete(flight) {
			return nil
		}
		return grouped.send(&sarama.ProducerMessage{
			Topic: repartition, Key: sarama.StringEncoder(flight.Origin), Timestamp: message.Timestamp,
		}, flight)
	})
	if err := errors.Join(err, grouped.finish()); err != nil {
		return measurement{}, err
	}
	if ends, err = f.topicEnds(repartition); err != nil {
		return measurement{}, err
	}
	close(known)
	if err := errors.Join(<-failed, hours.finish()); err != nil {
		return measurement{}, err
	}
	m := j.watch.stop()
	m.Records = f.records()
	return m, nil
}

// aggregate reads a partition of the repartition topic until its end, which is known once known is closed.
func (f *floor) aggregate(consumer sarama.Consumer, topic string, p int32, known <-chan struct{}, ends *[]int64, out *output) error {
	partition, err := consumer.ConsumePartition(topic, p, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	airports := map[string]*openHour{}
	for next := int64(0); known != nil || next < (*ends)[p]; {
		select {
		case <-known:
			known = nil
		case message := <-partition.Messages():
			next = message.Offset + 1
			hour, closed, err := addToHour(airports, message.Key, message.Value, message.Timestamp)
			if err != nil {
				return err
			}
			if !closed {
				continue
			}
			err = out.send(&sarama.ProducerMessage{
				Topic: f.job.name, Key: sarama.ByteEncoder(message.Key), Timestamp: hour.Start(),
			}, hour)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// addToHour adds a record to the hour of its airport, and returns the hour before if that is closed by it.
func addToHour(airports map[string]*openHour, key, value []byte, departure time.Time) (before Hour, closed bool, _ error) {
	var flight Flight
	if err := sonic.Unmarshal(value, &flight); err != nil {
		return before, false, err
	}
	at := departure.UnixMilli()
	start := at - at%windowSize.Milliseconds()
	hour := airports[string(key)]
	switch {
	case hour == nil:
		hour = &openHour{start: start}
		airports[string(key)] = hour
	case start < hour.start:
		return before, false, nil // late
	case start > hour.start:
		before = Hour{StartMillis: hour.start, EndMillis: hour.start + windowSize.Milliseconds(), Value: hour.acc}
		closed = true
		*hour = openHour{start: start}
	}
	hour.acc.Add(flight)
	return before, closed, nil
}
