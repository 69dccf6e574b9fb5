package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// MarshalText returns the words of String.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the words of String, and fails if the text is another one.
func (s *State) UnmarshalText(text []byte) error {
	for state := Starting; state <= Stopped; state++ {
		if state.String() == string(text) {
			*s = state
			return nil
		}
	}
	return fmt.Errorf("unknown state %q", text)
}

// seconds is a duration as JSON.
type seconds time.Duration

func (s seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

func (s *seconds) UnmarshalJSON(text []byte) error {
	var f float64
	err := json.Unmarshal(text, &f)
	*s = seconds(f * float64(time.Second))
	return err
}

type plainTask TaskStatus

type taskJSON struct {
	plainTask
	RestoreLeft seconds `json:"restore_left_seconds"`
}

// MarshalJSON returns the status with its durations in seconds.
func (t TaskStatus) MarshalJSON() ([]byte, error) {
	return json.Marshal(taskJSON{plainTask(t), seconds(t.RestoreLeft)})
}

// UnmarshalJSON reads the status with its durations in seconds. The error is that of package encoding/json.
func (t *TaskStatus) UnmarshalJSON(text []byte) error {
	var j taskJSON
	err := json.Unmarshal(text, &j)
	*t = TaskStatus(j.plainTask)
	t.RestoreLeft = time.Duration(j.RestoreLeft)
	return err
}

type plainInput InputStatus

type inputJSON struct {
	plainInput
	Behind seconds `json:"behind_seconds"`
}

// MarshalJSON returns the status with its durations in seconds.
func (in InputStatus) MarshalJSON() ([]byte, error) {
	return json.Marshal(inputJSON{plainInput(in), seconds(in.Behind)})
}

// UnmarshalJSON reads the status with its durations in seconds. The error is that of package encoding/json.
func (in *InputStatus) UnmarshalJSON(text []byte) error {
	var j inputJSON
	err := json.Unmarshal(text, &j)
	*in = InputStatus(j.plainInput)
	in.Behind = time.Duration(j.Behind)
	return err
}

type plainGlobal GlobalStatus

type globalJSON struct {
	plainGlobal
	LoadLeft seconds `json:"load_left_seconds"`
}

// MarshalJSON returns the status with its durations in seconds.
func (t GlobalStatus) MarshalJSON() ([]byte, error) {
	return json.Marshal(globalJSON{plainGlobal(t), seconds(t.LoadLeft)})
}

// UnmarshalJSON reads the status with its durations in seconds. The error is that of package encoding/json.
func (t *GlobalStatus) UnmarshalJSON(text []byte) error {
	var j globalJSON
	err := json.Unmarshal(text, &j)
	*t = GlobalStatus(j.plainGlobal)
	t.LoadLeft = time.Duration(j.LoadLeft)
	return err
}

type plainSink SinkStatus

type sinkJSON struct {
	plainSink
	Took seconds `json:"took_seconds"`
}

// MarshalJSON returns the status with its durations in seconds.
func (s SinkStatus) MarshalJSON() ([]byte, error) {
	return json.Marshal(sinkJSON{plainSink(s), seconds(s.Took)})
}

// UnmarshalJSON reads the status with its durations in seconds. The error is that of package encoding/json.
func (s *SinkStatus) UnmarshalJSON(text []byte) error {
	var j sinkJSON
	err := json.Unmarshal(text, &j)
	*s = SinkStatus(j.plainSink)
	s.Took = time.Duration(j.Took)
	return err
}

type checkpointJSON struct {
	Worker     int       `json:"worker"`
	Began      time.Time `json:"began"`
	Tasks      int       `json:"tasks"`
	Records    int       `json:"records"`
	StateBytes int64     `json:"state_bytes"`
	Took       seconds   `json:"took_seconds"`
	Operators  seconds   `json:"operators_seconds"`
	Sinks      seconds   `json:"sinks_seconds"`
	Changelogs seconds   `json:"changelogs_seconds"`
	Commit     seconds   `json:"commit_seconds"`
	Databases  seconds   `json:"databases_seconds"`
	Error      string    `json:"error,omitempty"`
}

// MarshalJSON returns the checkpoint with its durations in seconds, and the text of its error.
func (c Checkpoint) MarshalJSON() ([]byte, error) {
	j := checkpointJSON{
		c.Worker, c.Began, c.Tasks, c.Records, c.StateBytes, seconds(c.Took), seconds(c.Operators), seconds(c.Sinks), seconds(c.Changelogs),
		seconds(c.Commit), seconds(c.Databases), "",
	}
	if c.Err != nil {
		j.Error = c.Err.Error()
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads the checkpoint with its durations in seconds. Of its error the text alone is known. The error is that of package encoding/json.
func (c *Checkpoint) UnmarshalJSON(text []byte) error {
	var j checkpointJSON
	err := json.Unmarshal(text, &j)
	*c = Checkpoint{
		Worker: j.Worker, Began: j.Began, Tasks: j.Tasks, Records: j.Records, StateBytes: j.StateBytes, Took: time.Duration(j.Took),
		Operators: time.Duration(j.Operators), Sinks: time.Duration(j.Sinks), Changelogs: time.Duration(j.Changelogs), Commit: time.Duration(j.Commit),
		Databases: time.Duration(j.Databases),
	}
	if j.Error != "" {
		c.Err = errors.New(j.Error)
	}
	return err
}
