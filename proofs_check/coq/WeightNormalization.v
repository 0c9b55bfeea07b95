(* Weight normalization w = g v / |v|: its norm and its polar invariants, for all dimensions, depths, losses and data.

   G_i is the derivative of the loss in w_i at time t, any function of time, and u = v / |v|. The gradient flow in (g, v),
   with g at eta times the speed, is
       g' = - eta <u, G>,     v' = - (g / |v|) (G - <u, G> u).
   That this is the gradient is proved first: along any curve of (g, v), <G, w'> = <u, G> g' + <(g / |v|) (G - <u, G> u), v'>.
   |v| is constant on every interval of time. For a diagonal network x_i = w_i^L, with r_i the derivative of the loss in
   x_i, G_i = L r_i w_i^(L-1); with k = g^2 / (2 eta |v|^2) and z such that sum_i z_i r_i = 0 at all times,
       sum_i z_i (log u_i + k)  (L = 2)   and   sum_i z_i (u_i e^k)^(2-L)   are constant.
   For L = 2 the mirror map moves with r: (2 log u_i + 2 k)' = - 4 (g^2 / |v|^2) r_i. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets reals topology normedtype derive sequences exp.
From mathcomp Require Import ring.
From theorylab Require Import Calculus.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Weight.
Variables (R : realType) (I : set R) (n : nat) (eta : R) (g : R -> R) (v G : 'I_n -> R -> R).
Hypothesis nonzero : forall t, I t -> 0 < \sum_i v i t ^+ 2.

Definition norm2 t := \sum_i v i t ^+ 2.
Definition direction i t := v i t / Num.sqrt (norm2 t).
Definition weight i t := g t * direction i t.
Definition radial t := \sum_i direction i t * G i t.
Definition tangential i t := g t / Num.sqrt (norm2 t) * (G i t - radial t * direction i t).

Definition weight_normalized_flow :=
  derives I g (fun t => - (eta * radial t)) /\ forall i, derives I (v i) (fun t => - tangential i t).

Let root t : I t -> Num.sqrt (norm2 t) != 0.
Proof. by move=> It; rewrite gt_eqF // sqrtr_gt0 nonzero. Qed.

Let root2 t : I t -> Num.sqrt (norm2 t) ^+ 2 = norm2 t.
Proof. by move=> It; rewrite sqr_sqrtr // ltW // nonzero. Qed.

Lemma radial_of_v t : I t -> \sum_i v i t * G i t = Num.sqrt (norm2 t) * radial t.
Proof.
move=> It; rewrite /radial mulr_sumr; apply: eq_bigr => i _; rewrite /direction.
by field; exact: root.
Qed.

(* Along any curve of (g, v) with derivatives g', v', the weights move by w', and <G, w'> is what the flow says. *)
Theorem weight_normalization_is_the_gradient g' (v' : 'I_n -> R -> R) :
  derives I g g' -> (forall i, derives I (v i) (v' i)) ->
  exists w' : 'I_n -> R -> R, (forall i, derives I (weight i) (w' i)) /\
    forall t, I t -> \sum_i G i t * w' i t = radial t * g' t + \sum_i tangential i t * v' i t.
Proof.
move=> dg dv.
have dN : derives I norm2 (fun t => \sum_i 2 * (v' i t * v i t)) := derives_sum (fun i => derives_square (dv i)).
have dV i := derivesM dg (derivesM (dv i) (derives_inv (derives_sqrt dN nonzero) root)).
eexists; split; first exact: dV.
move=> t It; rewrite [X in X = _](_ : _ = \sum_i (g' t * (direction i t * G i t) +
  (g t / Num.sqrt (norm2 t) * (G i t * v' i t) -
   g t / Num.sqrt (norm2 t) * ((\sum_j direction j t * v' j t) * (direction i t * G i t))))); last first.
  apply: eq_bigr => i _.
  have -> : \sum_j 2 * (v' j t * v j t) = 2 * Num.sqrt (norm2 t) * (\sum_j direction j t * v' j t).
    rewrite !mulr_sumr; apply: eq_bigr => j _; rewrite /direction.
    by field; exact: root.
  by rewrite /direction; field; exact: root.
rewrite !big_split sumrN /= -!mulr_sumr -/(radial t) mulrC; congr (_ + _).
have -> : \sum_i tangential i t * v' i t = \sum_i (g t / Num.sqrt (norm2 t) * (G i t * v' i t) -
    g t / Num.sqrt (norm2 t) * (radial t * (direction i t * v' i t))).
  by apply: eq_bigr => i _; rewrite /tangential; ring.
by rewrite big_split sumrN /= -!mulr_sumr [radial t * _]mulrC.
Qed.

Section Flow.
Hypotheses (interval : is_interval I) (flow : weight_normalized_flow).

Lemma norm2_derivative : derives I norm2 (fun=> 0).
Proof.
apply: derives_eq (derives_sum (fun i => derives_square (flow.2 i))) _ => t It.
rewrite (eq_bigr (fun i => - 2 * (g t / Num.sqrt (norm2 t)) * (v i t * G i t) +
  2 * (g t / Num.sqrt (norm2 t)) * (radial t / Num.sqrt (norm2 t)) * (v i t ^+ 2))); last first.
  by move=> i _; rewrite /tangential /direction; ring.
rewrite big_split /= -!mulr_sumr -/(norm2 t); rewrite radial_of_v //.
by move: (root2 It) (root It); move: (norm2 t) (Num.sqrt (norm2 t)) => N S <- S0; field.
Qed.

Theorem norm_invariant s t : I s -> I t -> norm2 s = norm2 t.
Proof. exact: (zero_derivative_constant interval norm2_derivative). Qed.

Lemma direction_derivative i :
  derives I (direction i) (fun t => - (g t / norm2 t) * (G i t - radial t * direction i t)).
Proof.
have dS : derives I (fun t => Num.sqrt (norm2 t)) (fun=> 0).
  by apply: derives_eq (derives_sqrt norm2_derivative nonzero) _ => t It; rewrite mulr0.
apply: derives_eq (derivesM (flow.2 i) (derives_inv dS root)) _ => t It.
rewrite /tangential; move: (direction i t) (root2 It) (root It) => u.
by move: (norm2 t) (Num.sqrt (norm2 t)) => N S <- S0; field.
Qed.

(* The exponent k, and what the polar invariants are made of. *)
Definition magnification t := g t ^+ 2 / (2 * eta * norm2 t).

Lemma magnification_derivative : eta != 0 ->
  derives I magnification (fun t => - (g t / norm2 t) * radial t).
Proof.
move=> eta0.
have dM : derives I (fun t => 2 * eta * norm2 t) (fun=> 0).
  by apply: derives_eq (@derivesZ _ I (2 * eta) _ _ norm2_derivative) _ => t It; rewrite mulr0.
have M0 t : I t -> 2 * eta * norm2 t != 0 by move=> It; rewrite !mulf_neq0 ?pnatr_eq0 // gt_eqF ?nonzero.
apply: derives_eq (derivesM (derives_square flow.1) (derives_inv dM M0)) _ => t It.
by field; rewrite eta0 gt_eqF ?nonzero.
Qed.

Section Diagonal.
Variables (m : nat) (r : 'I_n -> R -> R) (z : 'I_n -> R).
Hypotheses (eta0 : eta != 0) (diagonal : forall i t, I t -> G i t = m.+2%:R * r i t * weight i t ^+ m.+1).
Hypothesis kernel : forall t, I t -> \sum_i z i * r i t = 0.

Theorem polar_mirror_form i : m = 0%N -> (forall t, I t -> 0 < v i t) ->
  derives I (fun t => 2 * ln (direction i t) + 2 * magnification t) (fun t => - (4 * (g t ^+ 2 / norm2 t)) * r i t).
Proof.
move=> m0 pos; have u0 t : I t -> 0 < direction i t by move=> It; rewrite divr_gt0 ?pos // sqrtr_gt0 nonzero.
have dL := derives_ln (@direction_derivative i) u0; have dM := magnification_derivative eta0.
apply: derives_eq (derivesD (@derivesZ _ I 2 _ _ dL) (@derivesZ _ I 2 _ _ dM)) _ => t It.
rewrite diagonal // m0 expr1 /weight.
by field; rewrite !gt_eqF ?nonzero ?u0.
Qed.

Theorem polar_log_invariant : m = 0%N -> (forall i t, I t -> 0 < v i t) ->
  forall s t, I s -> I t -> \sum_i z i * (ln (direction i s) + magnification s) =
                            \sum_i z i * (ln (direction i t) + magnification t).
Proof.
move=> m0 pos.
apply: (@zero_derivative_constant _ I (fun t => \sum_i z i * (ln (direction i t) + magnification t)) interval).
have half i : derives I (fun t => ln (direction i t) + magnification t) (fun t => - (2 * (g t ^+ 2 / norm2 t)) * r i t).
  apply: (@derives_ext _ _ (fun t => 2^-1 * (2 * ln (direction i t) + 2 * magnification t))) => [t|]; first by field.
  by apply: derives_eq (@derivesZ _ I 2^-1 _ _ (@polar_mirror_form i m0 (pos i))) _ => t It; field; rewrite gt_eqF ?nonzero.
apply: derives_eq (derives_sum (fun i => @derivesZ _ I (z i) _ _ (half i))) _ => t It.
rewrite (eq_bigr (fun i => - (2 * (g t ^+ 2 / norm2 t)) * (z i * r i t))); first by rewrite -mulr_sumr kernel // mulr0.
by move=> i _; ring.
Qed.

Theorem polar_invariant : (forall i t, I t -> v i t != 0) ->
  forall s t, I s -> I t -> \sum_i z i * (direction i s * expR (magnification s))^-1 ^+ m =
                            \sum_i z i * (direction i t * expR (magnification t))^-1 ^+ m.
Proof.
move=> v0.
apply: (@zero_derivative_constant _ I (fun t => \sum_i z i * (direction i t * expR (magnification t))^-1 ^+ m) interval).
have u0 i t : I t -> direction i t != 0 by move=> It; rewrite mulf_neq0 ?v0 ?invr_eq0 ?root.
have y0 i t : I t -> direction i t * expR (magnification t) != 0.
  by move=> It; rewrite mulf_neq0 ?u0 // gt_eqF ?expR_gt0.
have dy i := derivesM (@direction_derivative i) (derives_exp (magnification_derivative eta0)).
pose rate t := (m * m.+2)%:R * (g t ^+ m.+2 / norm2 t) * (expR (magnification t))^-1 ^+ m.
have term i : derives I (fun t => (direction i t * expR (magnification t))^-1 ^+ m) (fun t => rate t * r i t).
  apply: derives_eq (@derives_power _ _ _ _ m (derives_inv (dy i) (y0 i))) _ => t It.
  rewrite /rate natrM; case: (m) (diagonal i It) => [|j] Gi; first by rewrite !mul0r.
  have e0 : expR (magnification t) != 0 by rewrite gt_eqF ?expR_gt0.
  have n0 : norm2 t != 0 by rewrite gt_eqF ?nonzero.
  rewrite Gi /weight; move: (u0 i t It) e0 n0; move: (direction i t) (expR _) (norm2 t) => u e N u1 e1 N1.
  rewrite !exprMn !invfM !exprMn !exprS /=.
  have U : u^-1 ^+ j * u ^+ j = 1 by rewrite -exprMn mulVf // expr1n.
  rewrite -[RHS]mul1r -[X in _ = X * _]U; move: (u^-1 ^+ j) (u ^+ j) (e^-1 ^+ j) (g t ^+ j) => a b c h.
  by field; rewrite u1 e1 N1.
apply: derives_eq (derives_sum (fun i => @derivesZ _ I (z i) _ _ (term i))) _ => t It.
rewrite (eq_bigr (fun i => rate t * (z i * r i t))); first by rewrite -mulr_sumr kernel // mulr0.
by move=> i _; ring.
Qed.
End Diagonal.
End Flow.
End Weight.

Print Assumptions weight_normalization_is_the_gradient.
Print Assumptions norm_invariant.
Print Assumptions polar_mirror_form.
Print Assumptions polar_log_invariant.
Print Assumptions polar_invariant.
