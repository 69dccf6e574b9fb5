// Package saramabroker speaks to a Kafka cluster over the network. It implements package broker.
//
// The data path uses broker-level requests of the client library with whole record batches. A connection of that
// library is locked for a whole round trip, and a fetch or a join may be held open by the broker for long; that is why
// the cluster, every fetcher, every producer and every group have connections of their own.
package saramabroker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// openTimeout is how long Open tries to reach a broker by default, and how long a request about topics, offsets or groups goes on
// trying when no broker answers. A context may end it earlier.
const openTimeout = 10 * time.Second

type cluster struct {
	cfg   Config
	log   *slog.Logger
	conns *connections
	conf  *sarama.Config
	reach reach

	// requests are calls that their callers left after the end of their contexts.
	requests sync.WaitGroup

	mu    sync.Mutex
	links map[string]*sarama.Broker // by address
	known []string                  // addresses of the cluster's brokers, as last heard
}

// Open connects to a cluster. It tries for Config.OpenTimeout, or until ctx ends, and then returns an error that wraps
// [broker.ErrUnavailable] and names the addresses.
func Open(ctx context.Context, cfg Config) (broker.Cluster, error) {
	if len(cfg.Brokers) == 0 {
		return nil, errors.New("open cluster: no broker address is given")
	}
	if cfg.ClientID == "" {
		cfg.ClientID = "weir"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	c := &cluster{cfg: cfg, log: cfg.Logger, conns: newConnections(), links: make(map[string]*sarama.Broker)}
	c.conf = c.clientConfig(c.conns)
	if err := c.conf.Validate(); err != nil {
		return nil, fmt.Errorf("open cluster: %w", err)
	}
	if timeout := cmp.Or(cfg.OpenTimeout, openTimeout); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	if err := c.greet(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("open cluster %s: %w", strings.Join(cfg.Brokers, ","), err)
	}
	return c, nil
}

// greet waits until a broker accepts a connection.
func (c *cluster) greet(ctx context.Context) error {
	for failures := 1; ; failures++ {
		err := c.await(ctx, func() error { return c.anyBroker(func(*sarama.Broker) error { return nil }) })
		if err == nil || errors.Is(err, broker.ErrUnauthorized) || isUntrusted(err) {
			return translate(err)
		}
		if ctx.Err() != nil || sleep(ctx, backoff(failures)) != nil {
			if isBoundary(err) {
				return err
			}
			return fmt.Errorf("%w: %w", broker.ErrUnavailable, err)
		}
	}
}

// Unreachable implements broker.Cluster.
func (c *cluster) Unreachable() (since time.Time, ok bool) { return c.reach.unreachable() }

// Close implements broker.Cluster.
func (c *cluster) Close() error {
	c.conns.close()
	c.requests.Wait()
	c.mu.Lock()
	links := c.links
	c.links = nil
	c.mu.Unlock()
	for _, link := range links {
		link.Close()
	}
	return nil
}

// await runs a blocking call of the client and returns its error, or that of ctx if it ends first. Then the call goes
// on by itself, until it times out or the cluster is closed.
func (c *cluster) await(ctx context.Context, call func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	result := make(chan error, 1)
	c.requests.Go(func() { result <- call() })
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// persist calls attempt again after temporary errors, until ctx ends, and at most for openTimeout
// while no broker can be reached.
func (c *cluster) persist(ctx context.Context, attempt func() error) error {
	begun := time.Now()
	for failures := 1; ; failures++ {
		err := c.await(ctx, attempt)
		if err == nil || !isRetriable(err) {
			return translate(err)
		}
		if isTransport(err) && time.Since(begun) > openTimeout || sleep(ctx, backoff(failures)) != nil {
			return translate(err)
		}
	}
}

// anyBroker sends a request to the first broker that answers.
func (c *cluster) anyBroker(request func(*sarama.Broker) error) error {
	c.mu.Lock()
	addrs := slices.Concat(c.known, c.cfg.Brokers)
	c.mu.Unlock()
	var failures []error
	for i, addr := range addrs {
		if slices.Contains(addrs[:i], addr) {
			continue
		}
		err := c.at(addr, request)
		if !isTransport(err) {
			if err = translate(err); errors.Is(err, broker.ErrUnauthorized) {
				return fmt.Errorf("%s: %w", addr, err)
			}
			return err
		}
		failures = append(failures, fmt.Errorf("%s: %w", addr, err))
	}
	return fmt.Errorf("%w: %w", broker.ErrUnavailable, errors.Join(failures...))
}

// at sends a request to the broker at an address.
func (c *cluster) at(addr string, request func(*sarama.Broker) error) error {
	c.mu.Lock()
	if c.links == nil {
		c.mu.Unlock()
		return fmt.Errorf("cluster is %w", errClosed)
	}
	link := c.links[addr]
	if link == nil {
		link = sarama.NewBroker(addr)
		c.links[addr] = link
	}
	c.mu.Unlock()

	if err := connect(link, c.conf); err != nil {
		return err
	}
	err := request(link)
	if isTransport(err) {
		_ = link.Close() // which is opened again by the next request
	}
	return err
}

// connect opens a link unless it is open, and waits for it.
func connect(link *sarama.Broker, conf *sarama.Config) error {
	if err := link.Open(conf); err != nil && !errors.Is(err, sarama.ErrAlreadyConnected) {
		return err
	}
	connected, err := link.Connected()
	if err == nil && !connected {
		err = sarama.ErrNotConnected
	}
	if conf.Net.SASL.Enable && errors.Is(err, io.EOF) {
		return fmt.Errorf("the connection was closed at the login, which is how some brokers refuse one: %w", err)
	}
	return err
}

// metadata asks for topics. There must be at least one.
func (c *cluster) metadata(topics []string) (*sarama.MetadataResponse, error) {
	var response *sarama.MetadataResponse
	err := c.anyBroker(func(b *sarama.Broker) (err error) {
		request := sarama.NewMetadataRequest(version, topics)
		request.AllowAutoTopicCreation = false
		response, err = b.GetMetadata(request)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(response.Brokers) > 0 {
		addrs := make([]string, len(response.Brokers))
		for i, b := range response.Brokers {
			addrs[i] = b.Addr()
		}
		c.mu.Lock()
		c.known = addrs
		c.mu.Unlock()
	}
	return response, nil
}

// leader is where a partition is read and written.
type leader struct {
	id    int32
	addr  string
	epoch int32
}

// leaders looks up the leaders of partitions. A partition that has none, or that does not exist, has an error instead.
func (c *cluster) leaders(tps []broker.TopicPartition) (map[broker.TopicPartition]leader, map[broker.TopicPartition]error, error) {
	response, err := c.metadata(topicsOf(tps))
	if err != nil {
		return nil, nil, err
	}
	addrs := make(map[int32]string, len(response.Brokers))
	for _, b := range response.Brokers {
		addrs[b.ID()] = b.Addr()
	}
	leaders := make(map[broker.TopicPartition]leader)
	failures := make(map[broker.TopicPartition]error, len(tps))
	for _, tp := range tps {
		failures[tp] = sarama.ErrUnknownTopicOrPartition
	}
	for _, topic := range response.Topics {
		if topic.Err != sarama.ErrNoError {
			for _, tp := range tps {
				if tp.Topic == topic.Name {
					failures[tp] = topic.Err
				}
			}
			continue
		}
		for _, p := range topic.Partitions {
			tp := broker.TopicPartition{Topic: topic.Name, Partition: p.ID}
			if _, wanted := failures[tp]; !wanted {
				continue
			}
			addr, ok := addrs[p.Leader]
			switch {
			case ok: // even if p.Err says that a replica is missing
				leaders[tp] = leader{id: p.Leader, addr: addr, epoch: p.LeaderEpoch}
				delete(failures, tp)
			case p.Err != sarama.ErrNoError:
				failures[tp] = p.Err
			default:
				failures[tp] = sarama.ErrLeaderNotAvailable
			}
		}
	}
	return leaders, failures, nil
}

func topicsOf(tps []broker.TopicPartition) []string {
	var topics []string
	for _, tp := range tps {
		topics = append(topics, tp.Topic)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}
