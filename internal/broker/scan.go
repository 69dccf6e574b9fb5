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
	if err := ScanRange(ctx, cluster, first, end, func(b *Batch) (bool, error) { return use(b), nil }); err != nil {
		return fmt.Errorf("read %v: %w", tps, err)
	}
	return nil
}

// ScanRange reads the committed records of partitions between offsets. Without ends it goes on with records that come. A partition is read until use returns
// false for a batch of it; an error of use ends the scan. The last batch of a partition may have records behind its end. The batch is valid until use
// returns.
func ScanRange(ctx context.Context, cluster Cluster, starts, ends map[TopicPartition]int64, use func(*Batch) (more bool, err error)) error {
	left := map[TopicPartition]bool{}
	for tp, at := range starts {
		if ends == nil || at < ends[tp] {
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
		fetcher.Start(tp, starts[tp])
	}
	for len(left) > 0 {
		batch, err := fetcher.Poll(ctx, scanWait)
		if err != nil {
			return err
		}
		if batch == nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			continue
		}
		tp, more := batch.TopicPartition, false
		if left[tp] {
			more, err = use(batch)
		}
		more = more && (ends == nil || batch.NextOffset < ends[tp])
		batch.Release()
		if err != nil {
			return err
		}
		if !more {
			fetcher.Stop(tp)
			delete(left, tp)
		}
	}
	return nil
}
