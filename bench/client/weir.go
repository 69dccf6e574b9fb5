package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
)

func openWeir() (broker.Cluster, error) {
	return saramabroker.Open(context.Background(), saramabroker.Config{
		Brokers: []string{*brokers}, Logger: slog.New(slog.DiscardHandler),
	})
}

func produceWeir() error { return sendWeir(false) }

// fillTopic writes batches of 1,000 records.
func fillTopic() error { return sendWeir(true) }

func sendWeir(flushEach bool) error {
	ctx := context.Background()
	cluster, err := openWeir()
	if err != nil {
		return err
	}
	defer cluster.Close()
	producer, err := cluster.NewProducer(broker.ProducerConfig{})
	if err != nil {
		return err
	}
	defer producer.Close()
	slabs := make([][]broker.Record, *partitions)
	send := func(partition int32) error {
		records := slabs[partition]
		slabs[partition] = nil
		if err := producer.Send(ctx, broker.TopicPartition{Topic: *topic, Partition: partition}, records); err != nil {
			return err
		}
		if flushEach {
			return producer.Flush(ctx)
		}
		return nil
	}
	var source source
	now := time.Now().UnixMilli()
	for range *records {
		key, value := source.record()
		partition := partitionOf(key)
		if slabs[partition] == nil {
			slabs[partition] = make([]broker.Record, 0, slabSize)
		}
		slabs[partition] = append(slabs[partition], broker.Record{Key: key, Value: value, Millis: now})
		if len(slabs[partition]) == slabSize {
			if err := send(partition); err != nil {
				return err
			}
		}
	}
	for i := range slabs {
		if err := send(int32(i)); err != nil {
			return err
		}
	}
	if err := producer.Flush(ctx); err != nil {
		return err
	}
	acknowledged := 0
	for i := range slabs {
		if last, ok := producer.LastOffset(broker.TopicPartition{Topic: *topic, Partition: int32(i)}); ok {
			acknowledged += int(last) + 1
		}
	}
	return want("acknowledged records", acknowledged, *records)
}

func fetchWeir() error {
	ctx := context.Background()
	cluster, err := openWeir()
	if err != nil {
		return err
	}
	defer cluster.Close()
	fetcher, err := cluster.NewFetcher(broker.FetcherConfig{})
	if err != nil {
		return err
	}
	defer fetcher.Close()
	for i := range *partitions {
		fetcher.Start(broker.TopicPartition{Topic: *topic, Partition: int32(i)}, 0)
	}
	n, bytes := 0, 0
	for n < *records {
		batch, err := fetcher.Poll(ctx, time.Second)
		if err != nil {
			return err
		}
		if batch == nil {
			continue
		}
		n += len(batch.Records)
		for i := range batch.Records {
			bytes += len(batch.Records[i].Key) + len(batch.Records[i].Value)
		}
		batch.Release()
	}
	return want("bytes", bytes, *records*(keyBytes+valueBytes))
}
