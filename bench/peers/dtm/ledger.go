package main

import (
	"fmt"
	"log"
	"sort"
	"sync"
	"time"
)

// entry is one message.
type entry struct {
	begunAt     time.Time
	submitAt    time.Time
	submitted   bool
	times       int
	deliveredAt time.Time
	delivered   chan struct{}
}

// ledger says what became of each message. All of it may be called by several goroutines.
type ledger struct {
	mutex    sync.Mutex
	entries  map[string]*entry
	sequence int
	openedAt time.Time
	closedAt time.Time
	stored   int
	backlog  int
	errors   int
	checks   int
}

func newLedger() *ledger {
	return &ledger{entries: map[string]*entry{}}
}

func (l *ledger) begin() (gid string, delivered <-chan struct{}) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.sequence++
	gid = fmt.Sprintf("bench-%08d", l.sequence)
	e := &entry{begunAt: time.Now(), delivered: make(chan struct{})}
	l.entries[gid] = e
	return gid, e.delivered
}

func (l *ledger) submitting(gid string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.entries[gid].submitAt = time.Now()
}

func (l *ledger) submitted(gid string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.entries[gid].submitted = true
	if l.isOpen() {
		l.stored++
	}
}

func (l *ledger) received(gid string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	e, known := l.entries[gid]
	if !known {
		return
	}
	e.times++
	if e.times == 1 {
		e.deliveredAt = time.Now()
		close(e.delivered)
	}
}

func (l *ledger) checked() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.checks++
}

// failed counts an error, and prints the first ones.
func (l *ledger) failed(err error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.errors++
	if l.errors <= 10 {
		log.Print(err)
	}
}

func (l *ledger) open() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.openedAt = time.Now()
}

func (l *ledger) close() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.closedAt = time.Now()
	for _, e := range l.entries {
		if e.submitted && e.times == 0 {
			l.backlog++
		}
	}
}

func (l *ledger) isOpen() bool {
	return !l.openedAt.IsZero() && l.closedAt.IsZero()
}

// figures are what LoadFigures of load.ts describes.
type figures struct {
	Event             string             `json:"event"`
	Seconds           float64            `json:"seconds"`
	Stored            int                `json:"stored"`
	Delivered         int                `json:"delivered"`
	EndToEndMs        map[string]float64 `json:"endToEndMs"`
	CommitToReceiptMs map[string]float64 `json:"commitToReceiptMs"`
	BacklogAtEnd      int                `json:"backlogAtEnd"`
	NeverDelivered    int                `json:"neverDelivered"`
	Duplicates        int                `json:"duplicates"`
	Errors            int                `json:"errors"`
	Checks            int                `json:"checks"`
}

func (l *ledger) figures() figures {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var endToEnd, sinceSubmit []float64
	var never, duplicates int
	for _, e := range l.entries {
		if e.submitted && e.times == 0 {
			never++
		}
		if e.times > 1 {
			duplicates++
		}
		if e.times > 0 && e.deliveredAt.After(l.openedAt) && e.deliveredAt.Before(l.closedAt) {
			endToEnd = append(endToEnd, milliseconds(e.deliveredAt.Sub(e.begunAt)))
			sinceSubmit = append(sinceSubmit, milliseconds(e.deliveredAt.Sub(e.submitAt)))
		}
	}
	return figures{
		Event:             "figures",
		Seconds:           l.closedAt.Sub(l.openedAt).Seconds(),
		Stored:            l.stored,
		Delivered:         len(endToEnd),
		EndToEndMs:        percentiles(endToEnd),
		CommitToReceiptMs: percentiles(sinceSubmit),
		BacklogAtEnd:      l.backlog,
		NeverDelivered:    never,
		Duplicates:        duplicates,
		Errors:            l.errors,
		Checks:            l.checks,
	}
}

func milliseconds(d time.Duration) float64 {
	return float64(d) / float64(time.Millisecond)
}

// percentiles are the nearest ranks; zeros for an empty sample.
func percentiles(samples []float64) map[string]float64 {
	sort.Float64s(samples)
	at := func(rank float64) float64 {
		if len(samples) == 0 {
			return 0
		}
		return samples[min(len(samples)-1, int(float64(len(samples))*rank))]
	}
	return map[string]float64{"p50": at(0.5), "p99": at(0.99), "max": at(1)}
}
