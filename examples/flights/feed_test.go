package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/murmur2"
)

const (
	feedBatch    = 200
	feedInterval = 40 * time.Millisecond
	// feedAhead is how many flights may wait to be read: a slow machine need not catch up with more.
	feedAhead = 5000
)

// feed writes flights, so that there is work at any time, until the returned function is called. It begins again at the
// end of the file, with later dates. The distance of a flight is its number.
func (k *trial) feed() (stop func()) {
	k.t.Helper()
	file, err := readFlights()
	if err != nil {
		k.t.Fatal(err)
	}
	airports, err := readAirports()
	if err != nil {
		k.t.Fatal(err)
	}
	first, err := file[0].departure()
	if err != nil {
		k.t.Fatal(err)
	}
	last, err := file[len(file)-1].departure()
	if err != nil {
		k.t.Fatal(err)
	}
	days := int(last.Sub(first)/(24*time.Hour)) + 1
	// In transactions, because flights are old: a broker that restarts has forgotten a producer whose last record is older
	// than producer.id.expiration.ms, and appends what is repeated once more. An open transaction it remembers.
	producer, err := k.cluster.NewProducer(broker.ProducerConfig{
		TransactionalID: k.name + "-feed", TransactionTimeout: 5 * time.Minute,
	})
	if err != nil {
		k.t.Fatal(err)
	}
	enough, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(feedInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-enough:
				return
			}
			if k.flights-int(k.committed()) > feedAhead {
				continue
			}
			var batch [partitions][]broker.Record
			for range feedBatch {
				f := file[k.flights%len(file)]
				at, err := f.departure()
				if err != nil {
					k.t.Error(err)
					return
				}
				at = at.AddDate(0, 0, k.flights/len(file)*days)
				f.Date = at.Format("2006/01/02 15:04")
				f.Distance = k.flights
				k.flights++
				value, err := json.Marshal(f)
				if err != nil {
					k.t.Error(err)
					return
				}
				state := airports[f.Origin].State
				p := murmur2.Partition([]byte(state), partitions)
				batch[p] = append(batch[p], broker.Record{Key: []byte(state), Value: value, Millis: at.UnixMilli()})
			}
			if err := k.append(producer, batch); err != nil {
				k.t.Error(err)
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		close(enough)
		<-done
		producer.Close()
	})
	k.t.Cleanup(stop)
	return stop
}

// append writes to the partitions of the input, each record once whatever becomes of the broker. Any goroutine may call it.
func (k *trial) append(p broker.Producer, batch [partitions][]broker.Record) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i, records := range batch {
		if len(records) == 0 {
			continue
		}
		if err := p.Send(ctx, broker.TopicPartition{Topic: k.topics.Flights.Name(), Partition: int32(i)}, records); err != nil {
			return err
		}
	}
	return p.Commit(ctx, broker.GroupMember{}, nil, nil)
}
