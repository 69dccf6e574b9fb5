package main

import (
	"time"

	"github.com/IBM/sarama"
)

func saramaConfig() *sarama.Config {
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	conf.Metadata.Full = false
	return conf
}

func produceSarama() error {
	conf := saramaConfig()
	conf.Producer.Idempotent = true
	conf.Producer.RequiredAcks = sarama.WaitForAll
	conf.Net.MaxOpenRequests = 1 // which it insists on
	conf.Producer.Return.Successes = true
	conf.Producer.Partitioner = sarama.NewManualPartitioner // of the partition that is computed below
	producer, err := sarama.NewAsyncProducer([]string{*brokers}, conf)
	if err != nil {
		return err
	}
	acknowledged := make(chan int)
	failed := make(chan error, 1)
	go func() {
		n := 0
		for range producer.Successes() {
			n++
		}
		acknowledged <- n
	}()
	go func() {
		for err := range producer.Errors() {
			select {
			case failed <- err:
			default:
			}
		}
	}()
	var source source
	var slab []sarama.ProducerMessage
	now := time.Now()
	for range *records {
		key, value := source.record()
		if len(slab) == 0 {
			slab = make([]sarama.ProducerMessage, slabSize)
		}
		message := &slab[0]
		slab = slab[1:]
		message.Topic, message.Partition = *topic, partitionOf(key)
		message.Key, message.Value = sarama.ByteEncoder(key), sarama.ByteEncoder(value)
		message.Timestamp = now
		producer.Input() <- message
	}
	producer.AsyncClose()
	if err := want("acknowledged records", <-acknowledged, *records); err != nil {
		select {
		case err := <-failed:
			return err
		default:
			return err
		}
	}
	return nil
}

func fetchSarama() error {
	consumer, err := sarama.NewConsumer([]string{*brokers}, saramaConfig())
	if err != nil {
		return err
	}
	defer consumer.Close()
	type sum struct{ n, bytes int }
	var readers []sarama.PartitionConsumer
	sums := make(chan sum)
	for i := range *partitions {
		reader, err := consumer.ConsumePartition(*topic, int32(i), sarama.OffsetOldest)
		if err != nil {
			return err
		}
		readers = append(readers, reader)
		go func() {
			var s sum
			for message := range reader.Messages() {
				s.n++
				s.bytes += len(message.Key) + len(message.Value)
				if message.Offset+1 == reader.HighWaterMarkOffset() {
					break
				}
			}
			sums <- s
		}()
	}
	var total sum
	for range readers {
		s := <-sums
		total.n += s.n
		total.bytes += s.bytes
	}
	for _, reader := range readers {
		reader.AsyncClose()
	}
	return want("bytes", total.bytes, *records*(keyBytes+valueBytes))
}

// fetchBare does no more than the requests that Weir is built on, with the client's own decoder.
func fetchBare() error {
	conf := saramaConfig()
	link := sarama.NewBroker(*brokers)
	if err := link.Open(conf); err != nil {
		return err
	}
	defer link.Close()
	next := make([]int64, *partitions)
	n, bytes := 0, 0
	for n < *records {
		request := &sarama.FetchRequest{
			Version: 12, Isolation: sarama.ReadCommitted, MinBytes: 1, MaxWaitTime: 250, MaxBytes: 16 << 20, SessionEpoch: -1,
		}
		for i, offset := range next {
			request.AddBlock(*topic, int32(i), offset, 1<<20, -1)
		}
		response, err := link.Fetch(request)
		if err != nil {
			return err
		}
		for i := range next {
			for _, set := range response.GetBlock(*topic, int32(i)).RecordsSet {
				if set.RecordBatch.PartialTrailingRecord {
					continue
				}
				n += len(set.RecordBatch.Records)
				for _, r := range set.RecordBatch.Records {
					bytes += len(r.Key) + len(r.Value)
				}
				next[i] = set.RecordBatch.LastOffset() + 1
			}
		}
	}
	return want("bytes", bytes, *records*(keyBytes+valueBytes))
}
