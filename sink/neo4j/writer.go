package neo4j

import (
	"context"
	"time"

	"github.com/neo4j/neo4j-go-driver/v5/neo4j"

	"github.com/weirstreams/weir/sink/internal/bulk"
)

// write writes items by one transaction, or by several if the server refuses it for one of its records, until each is done or refused.
func (s *Sink[K, V]) write(ctx context.Context, items []*item) error {
	return bulk.Halves(items, func(items []*item) error {
		bounded, cancel := context.WithTimeout(ctx, s.options.Timeout)
		defer cancel()
		if err := s.transaction(bounded, items); err != nil {
			return meaning(ctx, err)
		}
		for _, i := range items {
			i.Done = true
		}
		return nil
	})
}

// transaction writes items by one transaction: all of them, or none.
func (s *Sink[K, V]) transaction(ctx context.Context, items []*item) (err error) {
	session := s.session(ctx)
	defer closeSession(ctx, session)
	tx, err := session.BeginTransaction(ctx, neo4j.WithTxTimeout(s.options.Timeout))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			_ = tx.Close(bounded) // rolls back, which the server does anyway when the connection ends
		}
	}()
	for len(items) > 0 {
		n := s.run(items)
		records := make([]any, n)
		for i, item := range items[:n] {
			records[i] = item.record
		}
		statement := s.upsert
		if items[0].deletes {
			statement = s.remove
		}
		result, err := tx.Run(ctx, statement, s.with(records))
		if err != nil {
			return err
		}
		if _, err := result.Consume(ctx); err != nil {
			return err
		}
		items = items[n:]
	}
	return tx.Commit(ctx)
}

// run returns how many items in front one statement takes. Those of one key are written in their order then, also when some delete and others do not.
func (s *Sink[K, V]) run(items []*item) int {
	if s.options.Query != "" {
		return len(items)
	}
	for n, i := range items {
		if i.deletes != items[0].deletes {
			return n
		}
	}
	return len(items)
}

// closeTimeout bounds the end of a transaction or a session that has failed.
const closeTimeout = 2 * time.Second

func closeSession(ctx context.Context, session neo4j.SessionWithContext) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = session.Close(bounded) // the connection goes back to the pool, or is closed if it is broken
}
