package main

import "encoding/json"

// rowsOf returns the rows of an answer, or its error. The partition and the position are left out, as they depend on the topic.
func rowsOf(body []byte) string {
	var answer struct {
		Rows  json.RawMessage `json:"rows"`
		Error string          `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return string(body)
	}
	if answer.Error != "" {
		return answer.Error + "\n"
	}
	return string(answer.Rows) + "\n"
}
