package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func produceFranz() error {
	// Idempotence and acknowledgements by all replicas are its defaults.
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*brokers),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := context.Background()
	acknowledged := 0
	var failure atomic.Pointer[error]
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			failure.CompareAndSwap(nil, &err)
			return
		}
		acknowledged++ // promises are called one after the other
	}
	var source source
	var slab []kgo.Record
	now := time.Now()
	for range *records {
		key, value := source.record()
		if len(slab) == 0 {
			slab = make([]kgo.Record, slabSize)
		}
		record := &slab[0]
		slab = slab[1:]
		record.Topic, record.Partition = *topic, partitionOf(key)
		record.Key, record.Value, record.Timestamp = key, value, now
		client.Produce(ctx, record, promise)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if err := failure.Load(); err != nil {
		return *err
	}
	return want("acknowledged records", acknowledged, *records)
}

func fetchFranz() error {
	offsets := make(map[int32]kgo.Offset)
	for i := range *partitions {
		offsets[int32(i)] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*brokers),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{*topic: offsets}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := context.Background()
	n, bytes := 0, 0
	for n < *records {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			bytes += len(r.Key) + len(r.Value)
		})
	}
	return want("bytes", bytes, *records*(keyBytes+valueBytes))
}
