package broker

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// NewFencedProducer makes a producer and, if it is transactional, waits until no other producer can use its id: the transaction
// that a former producer has left open has ended then.
func NewFencedProducer(ctx context.Context, cluster Cluster, config ProducerConfig) (Producer, error) {
	p, err := cluster.NewProducer(config)
	if err != nil || config.TransactionalID == "" {
		return p, err
	}
	if err := p.Flush(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("transactional id %q: %w", config.TransactionalID, err), p.Close())
	}
	return p, nil
}

// DeliveryTimeout returns how long a batch may take if the cluster may be away for brokerTimeout (negative: for ever): a minute
// longer, and 2 minutes at least, so that an outage ends with the error that names the option.
func DeliveryTimeout(brokerTimeout time.Duration) time.Duration {
	const usual, forEver = 2 * time.Minute, 365 * 24 * time.Hour
	if brokerTimeout < 0 {
		return forEver
	}
	return max(usual, min(forEver, brokerTimeout)+time.Minute)
}
