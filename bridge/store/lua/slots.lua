-- Shared by the scripts of checks (put in front of them): a check's slots are a fixed grid, so that nothing drifts
-- and missed ones are skipped.
local function slot_after(at, every, phase)
  return at - (at - phase) % every + every
end
