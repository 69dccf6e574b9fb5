package changelog

import (
	"cmp"
	"fmt"

	"github.com/bytedance/sonic"
)

// Standing is the input that the state of a store reflects: topics, with their ids, and offsets. The group's
// committed offsets say the same while they exist. The cluster forgets them when a group is away for longer than
// offsets.retention.minutes, or when a topic is deleted, and they do not tell two topics of one name apart.
//
// A standing is a record of each changelog, under standingKey: with the first checkpoint over topics with new ids and, at least
// once, after the last checkpoint of a task that is closed in order. It is a row of the database too.
type Standing struct {
	// Inputs are the input topics of the task, by name.
	Inputs map[string]Input `json:"inputs"`
	// Final is set if the offsets are known to be committed, together with everything that the changelog holds up to here.
	Final bool `json:"final,omitempty"`
	// Lacks is an offset of the changelog: the records before it are gone, and the state does not reflect them. Accepted is the
	// greatest such offset that Config.Topics.OnLostInput has decided about, see cut.go.
	Lacks    int64 `json:"lacks,omitempty"`
	Accepted int64 `json:"accepted,omitempty"`
}

// Input is one input topic of a standing.
type Input struct {
	// ID is the id of the topic, empty if the cluster has none.
	ID string `json:"id,omitempty"`
	// Next is the offset of the next record that the state does not reflect.
	Next int64 `json:"next"`
}

// StandingKey is the key of the records that hold a standing. It is in no store but by an accident that we rule out.
const StandingKey = "\x00\xff__weir_standing_of_the_task__\xff\x00"

func (s Standing) Encode() ([]byte, error) { return sonic.ConfigStd.Marshal(s) }

func DecodeStanding(value []byte) (s Standing, err error) {
	if err := sonic.ConfigStd.Unmarshal(value, &s); err != nil {
		return s, fmt.Errorf("standing of a store: %w", err)
	}
	return s, nil
}

// Reach notes that the state reflects an input up to an offset. Of two topics of one name the later one counts, which comes later in
// the changelog as well.
func (s *Standing) Reach(topic string, now Input) {
	if s.Inputs == nil {
		s.Inputs = map[string]Input{}
	}
	if in, ok := s.Inputs[topic]; ok && !OtherTopic(in.ID, now.ID) {
		now.ID, now.Next = cmp.Or(now.ID, in.ID), max(now.Next, in.Next)
	}
	s.Inputs[topic] = now
}

// Is reports whether a standing is of topics with these ids.
func (s *Standing) Is(ids map[string]string) bool {
	for topic, id := range ids {
		if in, ok := s.Inputs[topic]; !ok || in.ID != id {
			return false
		}
	}
	return true
}

// Cut reports whether the state lacks records of the changelog, and nobody has decided about it.
func (s *Standing) Cut() bool { return s.Lacks > s.Accepted }

// AcceptCut notes that it is decided about the records that the state lacked at an earlier standing.
func (s *Standing) AcceptCut(before Standing) { s.Accepted = max(before.Accepted, before.Lacks) }
