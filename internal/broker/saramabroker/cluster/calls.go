package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// Await runs a blocking call of the client and returns its error, or that of ctx if it ends first. Then the call goes
// on by itself, until it times out or the cluster is closed.
func (c *Cluster) Await(ctx context.Context, call func() error) error {
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
func (c *Cluster) persist(ctx context.Context, attempt func() error) error {
	begun := time.Now()
	for failures := 1; ; failures++ {
		err := c.Await(ctx, attempt)
		if err == nil || !fault.IsRetriable(err) {
			return fault.Translate(err)
		}
		if fault.IsTransport(err) && time.Since(begun) > openTimeout || fault.Backoff.Sleep(ctx, failures) != nil {
			return fault.Translate(err)
		}
	}
}

// anyBroker sends a request to the first broker that answers.
func (c *Cluster) anyBroker(request func(*sarama.Broker) error) error {
	c.mu.Lock()
	addrs := slices.Concat(c.known, c.cfg.Brokers)
	c.mu.Unlock()
	var failures []error
	for i, addr := range addrs {
		if slices.Contains(addrs[:i], addr) {
			continue
		}
		err := c.at(addr, request)
		if !fault.IsTransport(err) {
			if err = fault.Translate(err); errors.Is(err, weir.ErrUnauthorized) {
				return fmt.Errorf("%s: %w", addr, err)
			}
			return err
		}
		failures = append(failures, fmt.Errorf("%s: %w", addr, err))
	}
	return fmt.Errorf("%w: %w", weir.ErrUnavailable, errors.Join(failures...))
}

// at sends a request to the broker at an address.
func (c *Cluster) at(addr string, request func(*sarama.Broker) error) error {
	c.mu.Lock()
	if c.links == nil {
		c.mu.Unlock()
		return fmt.Errorf("cluster is %w", fault.ErrClosed)
	}
	link := c.links[addr]
	if link == nil {
		link = sarama.NewBroker(addr)
		c.links[addr] = link
	}
	c.mu.Unlock()

	if err := conn.Open(link, c.conf); err != nil {
		return err
	}
	err := request(link)
	if fault.IsTransport(err) {
		_ = link.Close() // which is opened again by the next request
	}
	return err
}

// atCoordinator sends a request to the coordinator of a group.
func (c *Cluster) atCoordinator(group string, request func(*sarama.Broker) error) error {
	addr, err := c.Coordinator(sarama.CoordinatorGroup, group)
	if err != nil {
		return err
	}
	return c.at(addr, request)
}
