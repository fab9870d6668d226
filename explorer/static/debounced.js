// All triggers' values as one string, which changes once however many of them do; unchanged while the condition is false.
(state, front, ...values) => $when ? JSON.stringify(values) : state
