package transaction

import (
	"sync"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// link is a connection to a coordinator, wherever that is. Requests wait for each other.
type link struct {
	cluster Cluster
	conf    *sarama.Config
	kind    sarama.CoordinatorType

	mu     sync.Mutex
	key    string
	broker *sarama.Broker // nil while it is not known where it is
	closed bool
}

// of makes the link lead to the coordinator of another group.
func (l *link) of(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.key != key {
		l.key = key
		l.forget()
	}
}

// forget has the coordinator looked up again. l.mu is held.
func (l *link) forget() {
	if l.broker != nil {
		l.broker.Close()
		l.broker = nil
	}
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.forget()
}

// try sends a request, once. It returns true if the request may have been carried out although there is an error.
func (l *link) try(request func(*sarama.Broker) error) (lost bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false, fault.ErrClosed
	}
	if l.broker == nil {
		addr, err := l.cluster.Coordinator(l.kind, l.key)
		if err != nil {
			return false, err
		}
		l.broker = sarama.NewBroker(addr)
	}
	if err := conn.Open(l.broker, l.conf); err != nil {
		l.forget()
		return false, err
	}
	err = request(l.broker)
	code, isCode := fault.CodeOf(err)
	switch {
	case fault.IsTransport(err):
		l.forget()
		return true, err
	case code == sarama.ErrNotCoordinatorForConsumer, code == sarama.ErrConsumerCoordinatorNotAvailable:
		l.forget()
	}
	return isCode && code == sarama.ErrRequestTimedOut, err
}
