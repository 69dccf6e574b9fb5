package config

import (
	"encoding/json/v2"
	"errors"
	"fmt"
	"time"
)

// event is a message of the topic.
type event struct {
	id      id
	deleted bool
	// kind and key are the type and the key that the configuration is for. A deletion need not name them.
	kind, key string
	number    int64
	// validFrom is in nanoseconds since the Unix epoch.
	validFrom int64
	source    source
}

// source identifies the content of a version: versions with equal sources have equal content.
type source struct {
	url string
	sum string // SHA-256 in hexadecimal, or empty
	// Without a sum each event may mean other content.
	partition int32
	offset    int64
}

// created and updated are treated alike.
const (
	created = "created"
	updated = "updated"
	deleted = "deleted"
)

// decodeEvent reads the value of a message, which lies at an offset.
func decodeEvent(data []byte, partition int32, offset int64) (event, error) {
	var message struct {
		ID         string `json:"id"`
		Event      string `json:"event"`
		ContentURL string `json:"contentUrl"`
		Metadata   struct {
			Type      string  `json:"type"`
			TargetKey string  `json:"target_key"`
			ValidFrom *string `json:"valid_from"`
			Version   *int64  `json:"version"`
			SHA256    string  `json:"sha256sum"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(data, &message); err != nil {
		return event{}, err
	}
	m := &message.Metadata
	sum, err := parseID(message.ID)
	if err != nil {
		return event{}, err
	}
	if m.Version == nil {
		return event{}, errors.New("there is no metadata.version")
	}
	e := event{id: sum, kind: m.Type, key: m.TargetKey, number: *m.Version, validFrom: always}
	switch message.Event {
	case deleted:
		e.deleted = true
		return e, nil
	case created, updated:
	default:
		return event{}, fmt.Errorf("event is %q: it is created, updated or deleted", message.Event)
	}
	if message.ContentURL == "" {
		return event{}, errors.New("there is no contentUrl")
	}
	e.source = source{url: message.ContentURL, sum: m.SHA256}
	if e.source.sum == "" {
		e.source.partition, e.source.offset = partition, offset
	}
	if m.ValidFrom != nil {
		t, err := parseTime(*m.ValidFrom)
		if err != nil {
			return event{}, fmt.Errorf("metadata.valid_from: %w", err)
		}
		e.validFrom = nanosOf(t)
	}
	return e, nil
}

// parseTime reads a time as ISO 8601 has it, with a zone, with or without a fraction of seconds.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07"} {
		if t, other := time.Parse(layout, text); other == nil {
			return t, nil
		}
	}
	return t, err
}
