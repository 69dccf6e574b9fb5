package saramabroker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// coordinatorLink is a connection to a coordinator, wherever that is. Requests wait for each other.
type coordinatorLink struct {
	cluster *cluster
	conf    *sarama.Config
	kind    sarama.CoordinatorType

	mu     sync.Mutex
	key    string
	broker *sarama.Broker // nil while it is not known where it is
	closed bool
}

// of makes the link lead to the coordinator of another group.
func (l *coordinatorLink) of(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.key != key {
		l.key = key
		l.forget()
	}
}

// forget has the coordinator looked up again. l.mu is held.
func (l *coordinatorLink) forget() {
	if l.broker != nil {
		l.broker.Close()
		l.broker = nil
	}
}

func (l *coordinatorLink) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.forget()
}

// try sends a request, once. It returns true if the request may have been carried out although there is an error.
func (l *coordinatorLink) try(request func(*sarama.Broker) error) (lost bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false, errClosed
	}
	if l.broker == nil {
		addr, err := l.cluster.coordinatorOf(l.kind, l.key)
		if err != nil {
			return false, err
		}
		l.broker = sarama.NewBroker(addr)
	}
	if err := connect(l.broker, l.conf); err != nil {
		l.forget()
		return false, err
	}
	err = request(l.broker)
	code, isCode := codeOf(err)
	switch {
	case isTransport(err):
		l.forget()
		return true, err
	case code == sarama.ErrNotCoordinatorForConsumer, code == sarama.ErrConsumerCoordinatorNotAvailable:
		l.forget()
	}
	return isCode && code == sarama.ErrRequestTimedOut, err
}

// unknownTries is how often a topic is tried again that the coordinator does not know: about 5 s. Tests shorten it.
var unknownTries = 8

// ask sends a request to a coordinator again and again, until it is answered with something that another try would not
// change, or ctx ends. It returns true if one of the tries may have been carried out without an answer.
func (t *transaction) ask(ctx context.Context, l *coordinatorLink, request func(*sarama.Broker) error) (lost bool, err error) {
	failures, busy, unknown := 0, 0, 0
	for {
		thisLost, err := t.await(ctx, l, request)
		if err == nil {
			return false, nil
		}
		if thisLost {
			lost = true
			t.producer.mu.Lock()
			t.anew = true
			t.producer.mu.Unlock()
		}
		var pause time.Duration
		switch code, _ := codeOf(err); {
		case ctx.Err() != nil, errors.Is(err, errClosed):
			return lost, err
		case code == sarama.ErrConcurrentTransactions: // the coordinator is still about the one before
			busy++
			pause = min(time.Millisecond<<min(busy, 6), 50*time.Millisecond)
		case code == sarama.ErrUnknownTopicOrPartition && unknown < unknownTries: // a topic that is new
			unknown++
			pause = backoff(unknown)
		case isRetriable(err):
			failures++
			pause = backoff(failures)
		default:
			return lost, err
		}
		if sleep(ctx, pause) != nil {
			return lost, err
		}
	}
}

// await tries once, unless ctx ends before. Then the connections are closed, so that the try ends soon by itself.
func (t *transaction) await(ctx context.Context, l *coordinatorLink, request func(*sarama.Broker) error) (lost bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	type result struct {
		lost bool
		err  error
	}
	results := make(chan result, 1)
	t.producer.wg.Go(func() {
		lost, err := l.try(request)
		results <- result{lost, err}
	})
	select {
	case r := <-results:
		return r.lost, r.err
	case <-ctx.Done():
		t.conns.interrupt()
		return true, ctx.Err()
	}
}

// errTransactionAbortable is TRANSACTION_ABORTABLE (KIP-890), which the client library has no name for.
const errTransactionAbortable sarama.KError = 120

// codeError makes an error of a code, or nil of "no error".
func codeError(code sarama.KError) error {
	if code == sarama.ErrNoError {
		return nil
	}
	return code
}

// worstOf returns the error of those of partitions that another try helps least against, or nil.
func worstOf(topics map[string][]*sarama.PartitionError) error {
	var failure error
	for _, partitions := range topics {
		for _, p := range partitions {
			// The others were not attempted because of one that has its own error.
			if err := codeError(p.Err); err != nil && p.Err != sarama.ErrOperationNotAttempted {
				failure = worse(failure, err)
			}
		}
	}
	return failure
}

// isUnanswered says that err is no word of the cluster: time was up, or nobody was reached.
func isUnanswered(err error) bool {
	_, isCode := codeOf(err)
	return !isCode
}
