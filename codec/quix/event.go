package quix

import (
	"errors"

	"github.com/weirstreams/weir/codec"
)

// event is the JSON of an event.
type event struct {
	Timestamp *int64
	ID        *string `json:"Id"`
	Value     *string
	Tags      map[string]string
}

var (
	wholeEventJSON = codec.JSON[wholeEvent]()

	eventJSON  = codec.JSON[event]()
	eventsJSON = codec.JSON[[]event]()
)

// wholeEvent is the JSON of an event without missing or empty members, the usual case.
type wholeEvent struct {
	Timestamp int64
	ID        string `json:"Id"`
	Value     string
	Tags      map[string]string
}

// parseWholeEvent returns an event if nothing of it is missing or empty.
func parseWholeEvent(c *codec.Context, m message) (Event, bool) {
	if m.model != eventModel {
		return Event{}, false
	}
	e, err := wholeEventJSON.Decode(c, m.data)
	return Event(e), err == nil && e.Timestamp != 0 && e.ID != "" && e.Value != ""
}

func parseEvents(c *codec.Context, m message) ([]event, error) {
	if m.model == eventModel {
		e, err := eventJSON.Decode(c, m.data)
		if err != nil {
			return nil, cause(err)
		}
		return []event{e}, e.complete()
	}
	events, err := eventsJSON.Decode(c, m.data)
	if err != nil {
		return nil, cause(err)
	}
	for _, e := range events {
		if err := e.complete(); err != nil {
			return nil, err
		}
	}
	return events, nil
}

func (e *event) complete() error {
	switch {
	case e.Timestamp == nil:
		return errors.New("the event has no Timestamp")
	case e.ID == nil:
		return errors.New("the event has no Id")
	case e.Value == nil:
		return errors.New("the event has no Value")
	}
	return nil
}
