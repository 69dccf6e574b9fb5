package pubsub

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// message is a record that is published.
type message struct {
	bulk.Progress
	*pubsubpb.PubsubMessage
	size int
}

// newWriter returns the writer of a task. It makes messages of the records, and publishes them in batches.
func newWriter[K, V any](s *Sink[K, V], task sink.Task) sink.Writer[K, V] {
	o := &s.options
	return bulk.NewWriter(bulk.Config[K, V, *message]{
		Target: s, Noun: "message", Make: s.message, Size: func(m *message) int { return m.size },
		Write: func(ctx context.Context, records []weir.Record[struct{}, *message]) error {
			return bulk.Write(ctx, bulk.Attempts{Retry: o.Retry, OutageWait: o.OutageWait, Target: s, Noun: "message"}, records, s.send)
		},
	}, sink.BatchOptions{
		MaxRecords: maxCallMessages, MaxBytes: maxCallBytes, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge, Now: task.Now,
	})
}

// message makes the message of a record.
func (s *Sink[K, V]) message(r *weir.Record[K, V]) (*message, error) {
	o := &s.options
	data, err := o.Payload(r)
	if err != nil {
		return nil, fmt.Errorf("the payload: %w", err)
	}
	m := &message{PubsubMessage: &pubsubpb.PubsubMessage{Data: data}}
	if m.Attributes, err = s.attributes(r); err != nil {
		return nil, err
	}
	if o.Ordered {
		if m.OrderingKey, _, err = s.keyText(r); err != nil {
			return nil, fmt.Errorf("the key as an ordering key: %w", err)
		}
		if n := len(m.OrderingKey); n > maxOrderingKey {
			return nil, fmt.Errorf("the ordering key has %d bytes, and at most %d are possible", n, maxOrderingKey)
		}
	}
	if len(data) == 0 && len(m.Attributes) == 0 {
		return nil, errors.New("the message has neither data nor attributes, and Pub/Sub takes no such message (Options.KeyAttribute makes one)")
	}
	m.size = len(data) + len(m.OrderingKey) + 20
	for name, value := range m.Attributes {
		m.size += len(name) + len(value) + 10
	}
	if m.size > maxMessage {
		return nil, fmt.Errorf("the message has %d bytes, and Pub/Sub takes at most 10,000,000", m.size)
	}
	return m, nil
}

// keyText returns the text of the record's key.
func (s *Sink[K, V]) keyText(r *weir.Record[K, V]) (text string, null bool, err error) {
	if r.KeyNull {
		return "", true, nil
	}
	return s.key(r.Key)
}

// attributes returns those of a record.
func (s *Sink[K, V]) attributes(r *weir.Record[K, V]) (map[string]string, error) {
	o := &s.options
	all := map[string]string{}
	if o.KeyAttribute != "" {
		text, null, err := s.keyText(r)
		if err != nil {
			return nil, fmt.Errorf("the key as an attribute: %w", err)
		}
		if !null {
			all[o.KeyAttribute] = text
		}
	}
	if o.Headers {
		for _, h := range r.Headers {
			all[h.Key] = string(h.Value)
		}
	}
	if o.Attributes != nil {
		more, err := o.Attributes(r)
		if err != nil {
			return nil, fmt.Errorf("Options.Attributes: %w", err)
		}
		for name, value := range more {
			all[name] = value
		}
	}
	if len(all) > maxAttributes {
		return nil, fmt.Errorf("the message has %d attributes, and at most %d are possible", len(all), maxAttributes)
	}
	for name, value := range all {
		if err := checkAttribute(name, value); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// send publishes messages until each is done or refused. An error says that some are left. Those of an ordering key are published by one call after the other.
func (s *Sink[K, V]) send(ctx context.Context, left []*message) error {
	byKey := map[string][]*message{}
	var keys []string
	for _, m := range left {
		if byKey[m.OrderingKey] == nil {
			keys = append(keys, m.OrderingKey)
		}
		byKey[m.OrderingKey] = append(byKey[m.OrderingKey], m)
	}
	if len(keys) == 1 {
		return s.publish(ctx, left)
	}
	errs := make([]error, len(keys))
	free := make(chan struct{}, s.options.Calls)
	var calls sync.WaitGroup
	for i, key := range keys {
		free <- struct{}{}
		calls.Go(func() {
			defer func() { <-free }()
			errs[i] = s.publish(ctx, byKey[key])
		})
	}
	calls.Wait()
	var failure error
	for _, err := range errs {
		failure = bulk.Decisive(failure, err)
	}
	return failure
}

// publish makes a call, which the topic takes as a whole or not at all, or several if Pub/Sub refuses it for its content.
func (s *Sink[K, V]) publish(ctx context.Context, all []*message) error {
	return bulk.Halves(all, func(part []*message) error { return s.publishOnce(ctx, part) })
}

func (s *Sink[K, V]) publishOnce(ctx context.Context, all []*message) error {
	request := &pubsubpb.PublishRequest{Topic: s.topic, Messages: make([]*pubsubpb.PubsubMessage, len(all))}
	for i, m := range all {
		request.Messages[i] = m.PubsubMessage
	}
	var answer *pubsubpb.PublishResponse
	err := s.project.Call(ctx, "pubsub.topics.publish", func(ctx context.Context) (err error) {
		answer, err = s.client.Publish(ctx, request)
		return err
	})
	if err != nil {
		return err
	}
	if len(answer.GetMessageIds()) != len(all) {
		return fmt.Errorf("pubsub.topics.publish: the answer has %d IDs for %d messages", len(answer.GetMessageIds()), len(all))
	}
	for _, m := range all {
		m.Done = true
	}
	return nil
}
