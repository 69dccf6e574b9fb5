package broker

import (
	"context"
	"fmt"
	"time"
)

// scanWait is how long a scan waits for records before it looks whether ctx has ended.
const scanWait = time.Second

// Scan reads the committed records that partitions hold now, from the first on. A partition is read until use returns false for a batch of it.
// The batch is valid until use returns.
func Scan(ctx context.Context, cluster Cluster, use func(*Batch) (more bool), tps ...TopicPartition) error {
	first, err := cluster.Offsets(ctx, Earliest, tps...)
	if err != nil {
		return fmt.Errorf("read %v: %w", tps, err)
	}
	end, err := cluster.Offsets(ctx, End, tps...)
	if err != nil {
		return fmt.Errorf("read %v: %w", tps, err)
	}
	left := map[TopicPartition]bool{}
	for _, tp := range tps {
		if first[tp] < end[tp] {
			left[tp] = true
		}
	}
	if len(left) == 0 {
		return nil
	}
	fetcher, err := cluster.NewFetcher(FetcherConfig{})
	if err != nil {
		return err
	}
	defer func() { _ = fetcher.Close() }() // nothing was written
	for tp := range left {
		fetcher.Start(tp, first[tp])
	}
	for len(left) > 0 {
		batch, err := fetcher.Poll(ctx, scanWait)
		if err != nil {
			return fmt.Errorf("read %v: %w", tps, err)
		}
		if batch == nil {
			if ctx.Err() != nil {
				return fmt.Errorf("read %v: %w", tps, context.Cause(ctx))
			}
			continue
		}
		if tp := batch.TopicPartition; left[tp] && !use(batch) || batch.NextOffset >= end[tp] {
			fetcher.Stop(tp)
			delete(left, tp)
		}
		batch.Release()
	}
	return nil
}
