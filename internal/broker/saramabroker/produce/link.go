package produce

import (
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
)

// produceLink is a connection to a broker that takes batches.
type produceLink interface {
	// connect opens the connection unless it is open.
	connect() error
	// produce sends a request. It does not wait for the response, which respond gets on another goroutine, or an
	// error; respond must not call the link. If produce returns an error respond is not called.
	produce(r *produceRequest, respond func(*sarama.ProduceResponse, error)) error
	// close ends the connection. Requests on their way have got their error when it returns.
	close()
}

// produceRequest is a set of batches of different partitions.
type produceRequest struct {
	transactionalID *string
	batches         []*batch
	bytes           int
}

// brokerLink is a produceLink by the client.
type brokerLink struct {
	broker *sarama.Broker
	conf   *sarama.Config
}

func (l *brokerLink) connect() error { return conn.Open(l.broker, l.conf) }
func (l *brokerLink) close()         { _ = l.broker.Close() }

func (l *brokerLink) produce(r *produceRequest, respond func(*sarama.ProduceResponse, error)) error {
	request := &sarama.ProduceRequest{
		Version: 9, TransactionalID: r.transactionalID, RequiredAcks: sarama.WaitForAll,
		Timeout: int32(appendTimeout / time.Millisecond),
	}
	for _, b := range r.batches {
		request.AddBatch(b.queue.tp.Topic, b.queue.tp.Partition, &b.encoded)
	}
	return l.broker.AsyncProduce(request, respond)
}
